"""Making the variants of a menu: what is shared between them is made once, and only if one of them needs it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.base import logs
from pipeline.base.config import CompressConfig, VariantConfig
from pipeline.base.records import TextRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.core.compress.pruning import Importance
    from pipeline.core.model.heads import Classifier
    from pipeline.core.train.distillation import DistillationObjective
    from pipeline.core.train.ray_trainer import CheckpointStore, TrainingJob, TrainingResult

IMPORTANCE_BATCH = 32

log = logs.get("compress")


@dataclass(frozen=True)
class CompressedModel:
    """Hold a variant as it would be served, and the number of its parameters."""

    recipe: VariantConfig
    model: bytes
    tokenizer: str
    parameters: int


@dataclass
class VariantFactory:
    """Make variants of one parent. `settings` are those of its predictor; `digests` tell what the parent and the texts are."""

    parent: "Classifier"
    tokenizer: str
    settings: Mapping[str, Any]
    sides: Mapping[str, Sequence[TextRecord]]
    digests: Sequence[object]
    cfg: CompressConfig
    train: "Callable[[TrainingJob], TrainingResult]"
    checkpoint_store: "Callable[..., CheckpointStore]"
    seed: int
    threads: int
    _students: dict[str, "Classifier"] = field(default_factory=dict)
    _vocabularies: dict[int, tuple[str, list[int]]] = field(default_factory=dict)

    def make(self, recipe: VariantConfig) -> CompressedModel:
        """Make what a recipe says: fewer words first, then fewer parts that learn again, then smaller numbers."""
        from pipeline.core.compress.onnx_export import export_onnx

        tokenizer, model = self._in_words(recipe.vocabulary_min_count)
        if recipe.pruned:
            model = self._student(recipe, model, tokenizer)
        if not recipe.int8:
            content = export_onnx(model, max_tokens=self.settings["max_tokens"])
        elif model is self.parent:
            content = self._whole_int8
        else:
            content = self._in_whole_numbers(model, tokenizer)
        parameters = sum(value.numel() for value in model.parameters())
        log.info("made", variant=recipe.name, parameters=parameters, megabytes=round(len(content) / 1e6, 1))
        return CompressedModel(recipe, content, tokenizer, parameters)

    @cached_property
    def _whole_int8(self) -> bytes:
        return self._in_whole_numbers(self.parent, self.tokenizer)

    def _in_whole_numbers(self, model: "Classifier", tokenizer: str) -> bytes:
        from pipeline.core.compress.quantization import quantize_model

        few = evenly_spaced(self.sides["train"], self.cfg.int8.calibration_texts)
        return quantize_model(
            model, self._encoded(tokenizer, few), max_tokens=self.settings["max_tokens"], cfg=self.cfg.int8
        )

    def forget(self) -> None:
        """Let go of the checkpoints of every recovery."""
        for recipe in self.cfg.menu:
            if recipe.pruned:
                self._keep(recipe).forget()

    def _in_words(self, min_count: int | None) -> tuple[str, "Classifier"]:
        from pipeline.core.compress.pruning import with_vocabulary
        from pipeline.core.compress.vocabulary import trim_vocabulary

        if min_count is None:
            return self.tokenizer, self.parent
        if min_count not in self._vocabularies:
            self._vocabularies[min_count] = trim_vocabulary(
                self.tokenizer, self._encoded(self.tokenizer, self.sides["train"]), min_count=min_count
            )
        tokenizer, kept = self._vocabularies[min_count]
        return tokenizer, with_vocabulary(self.parent, kept)

    def _student(self, recipe: VariantConfig, model: "Classifier", tokenizer: str) -> "Classifier":
        """Prune, and let it learn again; variants that differ in their numbers alone share one student."""
        from pipeline.core.compress.pruning import prune_model

        name = _student_name(recipe)
        if name not in self._students:
            student = prune_model(model, self._worth, recipe)
            outcome = self.train(self._job(recipe, self._method(student, tokenizer)))
            student.load_state_dict(dict(outcome.weights))
            self._students[name] = student.eval()
        return self._students[name]

    def _job(self, recipe: VariantConfig, method: "DistillationObjective") -> "TrainingJob":
        from pipeline.core.train.ray_trainer import TrainingJob

        cfg = self.cfg.recovery
        name, keep = f"recover-{recipe.name}", self._keep(recipe)
        return TrainingJob.of(name, method, cfg, steps=cfg.steps, looks={cfg.steps}, patience=1, keep=keep)

    def _method(self, student: "Classifier", tokenizer: str) -> "DistillationObjective":
        import torch

        from pipeline.base.seeds import seed_for
        from pipeline.core.evaluate.metrics import score
        from pipeline.core.train.distillation import DistillationObjective

        lessons, valid = self._lessons, self.sides["valid"]
        return DistillationObjective(
            student=student,
            teacher_NL=torch.from_numpy(self._teacher_NL).float(),
            train=self._encoded(tokenizer, lessons),
            targets=self.numbers(lessons),
            held_out=self._encoded(tokenizer, valid),
            held_out_targets=self.numbers(valid),
            batch_size=self.cfg.recovery.batch_size,
            temperature=self.cfg.recovery.temperature,
            label_weight=self.cfg.recovery.label_weight,
            score=score,
            seed=seed_for(self.seed, "recovery"),
        )

    @cached_property
    def _lessons(self) -> Sequence[TextRecord]:
        """Take as many training texts as the recovery passes over: what is never read needs no teacher's answer."""
        return evenly_spaced(self.sides["train"], self.cfg.recovery.steps * self.cfg.recovery.batch_size)

    @cached_property
    def _teacher_NL(self) -> "NDArray[np.float64]":
        """Ask the uncompressed model once, as int8: a third of the time, and no student comes as near to it as int8 does."""
        from pipeline.core.model.predictor import Predictor

        teacher = Predictor.of(self._whole_int8, self.tokenizer, self.settings, threads=self.threads)
        return teacher.logits([record.text for record in self._lessons])

    @cached_property
    def _worth(self) -> "Importance":
        import torch

        from pipeline.core.compress.pruning import measure_importance
        from pipeline.core.train.batches import Batch, pad

        few = evenly_spaced(self.sides["valid"], self.cfg.importance_texts)
        targets = torch.from_numpy(self.numbers(few))
        tokens = self._encoded(self.tokenizer, few)
        parts = [slice(start, start + IMPORTANCE_BATCH) for start in range(0, len(few), IMPORTANCE_BATCH)]
        return measure_importance(
            self.parent, [Batch(*pad(tokens[part]), targets[part], weight=1.0) for part in parts]
        )

    def numbers(self, records: Sequence[TextRecord]) -> "NDArray[np.int64]":
        """Give the labels of some texts as numbers."""
        import numpy as np

        return np.array([self.settings["labels"].index(record.label) for record in records], dtype=np.int64)

    def _encoded(self, tokenizer: str, records: Sequence[TextRecord]) -> list[list[int]]:
        from pipeline.core.model.tokenizer import encode, load_tokenizer

        return encode(
            load_tokenizer(tokenizer, self.settings["max_tokens"]), [record.text for record in records]
        )

    def _keep(self, recipe: VariantConfig) -> "CheckpointStore":
        shape = recipe.model_dump(exclude={"name", "int8"})
        rest = self.cfg.recovery.model_dump(), self.cfg.int8.model_dump(), self.cfg.importance_texts
        return self.checkpoint_store("compress", *self.digests, dict(self.settings), shape, *rest)


def _student_name(recipe: VariantConfig) -> str:
    return recipe.model_dump_json(exclude={"name", "int8"})


def evenly_spaced(records: Sequence[TextRecord], count: int) -> Sequence[TextRecord]:
    """Take some texts from the whole length of a split, which stands in the order of its sources."""
    return (
        [records[number * len(records) // count] for number in range(count)]
        if count < len(records)
        else records
    )
