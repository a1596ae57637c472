"""Make the variants of a menu; what they share is made once, when the first of them needs it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import CompressConfig, VariantConfig
from pipeline.base.documents import ModelSettings
from pipeline.base.records import TextRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.core.compress.pruning import Importance
    from pipeline.core.model.heads import Classifier
    from pipeline.core.tasks.protocol import Distillable, Task
    from pipeline.core.train.checkpoints import CheckpointStore, TextColumns
    from pipeline.core.train.jobs import TrainingJob, TrainingResult

IMPORTANCE_BATCH = 32
ENCODED_AT_ONCE = 4096

log = logs.get("compress")


@dataclass(frozen=True)
class CompressedModel:
    """Hold a variant as it would be served, and the number of its parameters."""

    variant: VariantConfig
    model: bytes
    tokenizer: str
    parameters: int

    @property
    def megabytes(self) -> float:
        """Return the size of model and tokenizer."""
        return (len(self.model) + len(self.tokenizer.encode())) / 1e6


@dataclass
class VariantFactory:
    """Make variants of one teacher.

    `splits` holds the records of train and valid, `input_digests` those of the teacher's files and the
    splits' files.
    """

    teacher: "Classifier"
    tokenizer: str
    settings: ModelSettings
    splits: Mapping[str, Sequence[TextRecord]]
    input_digests: Sequence[Mapping[str, str]]
    cfg: CompressConfig
    train: "Callable[[TrainingJob], TrainingResult]"
    checkpoint_store: "Callable[..., CheckpointStore]"
    seed: int
    threads: int
    task: "Task"
    _students: dict[str, "Classifier"] = field(default_factory=dict)
    _vocabularies: dict[int, tuple[str, list[int]]] = field(default_factory=dict)

    def make(self, variant: VariantConfig) -> CompressedModel:
        """Trim the vocabulary, prune and recover, then quantize, as far as the variant asks for each."""
        from pipeline.core.compress.onnx_export import export_onnx

        tokenizer, model = self._trimmed(variant.vocabulary_min_count)
        if variant.pruned:
            model = self._student(variant, model, tokenizer)
        if not variant.int8:
            content = export_onnx(model, max_tokens=self.settings["max_tokens"])
        elif model is self.teacher:
            content = self._teacher_int8
        else:
            content = self._quantized(model, tokenizer)
        compressed = CompressedModel(
            variant, content, tokenizer, sum(value.numel() for value in model.parameters())
        )
        megabytes = round(compressed.megabytes, 1)
        log.info(
            "variant.exported", variant=variant.name, parameters=compressed.parameters, megabytes=megabytes
        )
        return compressed

    @cached_property
    def skipped(self) -> Mapping[str, str]:
        """Return why variants of the menu cannot be made of this teacher, by their names."""
        reasons = {variant.name: self._obstacle(variant) for variant in self.cfg.menu}
        skipped = {name: reason for name, reason in reasons.items() if reason is not None}
        for name, reason in skipped.items():
            log.warning("variant.skipped", variant=name, reason=reason)
        return skipped

    def _obstacle(self, variant: VariantConfig) -> str | None:
        from pipeline.core.model.families import FAMILIES, family_of
        from pipeline.core.model.pieces import is_wordpiece

        if variant.pruned and self.task.distillable is None:
            return f"a pruned variant learns from labels of whole texts, and the task is {self.task.name}"
        family = family_of(self.teacher.encoder.config.model_type)
        if variant.pruned and not family.prunable:
            prunable = ", ".join(one.title for one in FAMILIES.values() if one.prunable)
            return f"layers, heads and channels are pruned of {prunable}, and the teacher is {family.title}"
        if variant.vocabulary_min_count and not is_wordpiece(self.tokenizer):
            return "a vocabulary of WordPiece is trimmed, and the teacher's is another"
        return None

    def make_all(self) -> dict[str, CompressedModel]:
        """Make every variant of the menu that can be made of this teacher, by name."""
        return {
            variant.name: self.make(variant) for variant in self.cfg.menu if variant.name not in self.skipped
        }

    def delete_checkpoints(self) -> None:
        """Delete the checkpoints of every recovery."""
        for variant in self.cfg.menu:
            if variant.pruned and variant.name not in self.skipped:
                self._checkpoints(variant).delete()

    def truth_of(self, records: Sequence[TextRecord]) -> "NDArray[np.int64]":
        """Return the targets of records, as the task has them."""
        return self._distillable.truth([record.label for record in records], self.settings["labels"])

    @cached_property
    def _teacher_int8(self) -> bytes:
        return self._quantized(self.teacher, self.tokenizer)

    def _quantized(self, model: "Classifier", tokenizer: str) -> bytes:
        from pipeline.core.compress.quantization import quantize_model

        texts = evenly_spaced(self.splits["train"], self.cfg.int8.calibration_texts)
        tokens = self._encoded(tokenizer, texts)
        return quantize_model(model, tokens, max_tokens=self.settings["max_tokens"], cfg=self.cfg.int8)

    def _trimmed(self, min_count: int | None) -> tuple[str, "Classifier"]:
        from pipeline.core.compress.pruning import with_vocabulary
        from pipeline.core.compress.vocabulary import trim_vocabulary

        if min_count is None:
            return self.tokenizer, self.teacher
        if min_count not in self._vocabularies:
            tokens = self._encoded(self.tokenizer, self.splits["train"])
            self._vocabularies[min_count] = trim_vocabulary(self.tokenizer, tokens, min_count=min_count)
        tokenizer, kept_ids = self._vocabularies[min_count]
        return tokenizer, with_vocabulary(self.teacher, kept_ids)

    def _student(self, variant: VariantConfig, model: "Classifier", tokenizer: str) -> "Classifier":
        """Prune and distil; variants that differ in precision alone share one student."""
        from pipeline.core.compress.pruning import prune_model

        shape = variant.model_dump_json(exclude={"name", "int8"})
        if shape not in self._students:
            student = prune_model(model, self._importance, variant)
            result = self.train(self._recovery_job(variant, student, tokenizer))
            student.load_state_dict(dict(result.weights))
            self._students[shape] = student.eval()
        return self._students[shape]

    def _recovery_job(self, variant: VariantConfig, student: "Classifier", tokenizer: str) -> "TrainingJob":
        from pipeline.base.seeds import seed_for
        from pipeline.core.train.jobs import TrainingJob

        cfg = self.cfg.recovery
        checkpoints = self._checkpoints(variant)
        texts = (
            checkpoints.texts("train", self._labelled(tokenizer, self._recovery_texts)),
            checkpoints.texts("valid", self._labelled(tokenizer, self.splits["valid"])),
        )
        seed = seed_for(self.seed, "recovery")
        objective = self._distillable.recovery(student, self._teacher_NL, texts, cfg, seed=seed)
        return TrainingJob(
            f"recover-{variant.name}",
            objective,
            cfg,
            steps=cfg.steps,
            eval_steps=frozenset({cfg.steps}),
            patience=1,
            checkpoints=checkpoints,
        )

    @property
    def _distillable(self) -> "Distillable":
        assert self.task.distillable is not None, "pruned variants are skipped"
        return self.task.distillable

    @cached_property
    def _recovery_texts(self) -> Sequence[TextRecord]:
        """Return as many training texts as the recovery reads; the others need no logits of the teacher."""
        return evenly_spaced(self.splits["train"], self.cfg.recovery.steps * self.cfg.recovery.batch_size)

    @cached_property
    def _teacher_NL(self) -> "NDArray[np.float64]":
        """Compute the teacher's logits once, in int8: a third of the time, and closer than any student."""
        from pipeline.core.model.predictor import Predictor

        teacher = Predictor.of(self._teacher_int8, self.tokenizer, self.settings, threads=self.threads)
        return teacher.logits([record.text for record in self._recovery_texts])

    @cached_property
    def _importance(self) -> "Importance":
        import torch

        from pipeline.core.compress.pruning import measure_importance
        from pipeline.core.train.batches import Batch, pad

        # Not of the validation split, which judges what is pruned.
        texts = evenly_spaced(self.splits["train"], self.cfg.importance_texts)
        labels = torch.from_numpy(self.truth_of(texts))
        # Of a text of several windows the first one: a factor belongs to a row.
        longest = self.settings["max_tokens"]
        tokens = [ids[:longest] for ids in self._encoded(self.tokenizer, texts)]
        parts = [slice(start, start + IMPORTANCE_BATCH) for start in range(0, len(texts), IMPORTANCE_BATCH)]
        batches = [Batch(*pad(tokens[part]), labels[part], weight=1.0) for part in parts]
        return measure_importance(self.teacher, batches, self._distillable.loss)

    def _labelled(self, tokenizer: str, records: Sequence[TextRecord]) -> "Iterator[TextColumns]":
        for start in range(0, len(records), ENCODED_AT_ONCE):
            batch = records[start : start + ENCODED_AT_ONCE]
            truth = {self._distillable.truth_column: self.truth_of(batch)}
            yield {"tokens": self._encoded(tokenizer, batch), **truth}

    def _encoded(self, tokenizer: str, records: Sequence[TextRecord]) -> list[list[int]]:
        from pipeline.core.model.tokenizer import load_tokenizer

        loaded = load_tokenizer(tokenizer, self.settings["max_tokens"])
        return self.task.tokens(loaded, records, self.settings)

    def _checkpoints(self, variant: VariantConfig) -> "CheckpointStore":
        shape = variant.model_dump(exclude={"name", "int8"})
        cfg = self.cfg.recovery.model_dump(), self.cfg.int8.model_dump(), self.cfg.importance_texts
        return self.checkpoint_store("compress", *self.input_digests, dict(self.settings), shape, *cfg)


def evenly_spaced(records: Sequence[TextRecord], count: int) -> Sequence[TextRecord]:
    """Select records at equal distances, since a split is ordered by source."""
    if count >= len(records):
        return records
    return [records[number * len(records) // count] for number in range(count)]
