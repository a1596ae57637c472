"""Fine-tune: train encoder and head on the labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import FinetuneConfig
from pipeline.base.records import Receipt, TextRecord
from pipeline.io import files, parquet
from pipeline.io.model_folder import write_model

if TYPE_CHECKING:
    from pipeline.core.train.objectives import LabelObjective
    from pipeline.stages.context import StageContext, TrainingContext


def finetune(
    splits: Path,
    encoder: Path,
    out: Path,
    *,
    labels: Sequence[str],
    max_tokens: int,
    cfg: FinetuneConfig,
    training: "TrainingContext",
) -> Receipt:
    """Train encoder and head on the labels; leave the classifier that was best on the validation split."""
    from pipeline.core.train.ray_trainer import TrainingJob

    inputs = [
        dict(files.verified_receipt(splits, made_by="split").files),
        dict(files.verified_receipt(encoder, made_by="pretrain").files),
    ]
    sides = {side: parquet.read_texts(splits / f"{side}.parquet") for side in ("train", "valid")}
    method = _label_method(sides, encoder, labels=labels, max_tokens=max_tokens, cfg=cfg, seed=training.seed)
    steps = max(cfg.min_steps, cfg.epochs * method.deal.steps_per_epoch)
    keep = training.checkpoint_store("finetune", inputs, list(labels), max_tokens, cfg.model_dump())
    looks = (*range(cfg.eval_every, steps, cfg.eval_every), steps)
    outcome = training.train(
        TrainingJob.of("finetune", method, cfg, steps=steps, looks=looks, patience=cfg.patience, keep=keep)
    )
    best = max(outcome.history, key=lambda look: look["score"])
    with files.staging_dir(out) as staging:
        config, tokenizer = (
            files.read_json(encoder / "config.json"),
            (encoder / "tokenizer.json").read_text("utf-8"),
        )
        write_model(staging, outcome.weights, config, tokenizer, outcome.history)
        counts = {
            "train": len(sides["train"]),
            "valid": len(sides["valid"]),
            "steps": steps,
            "best_step": int(best["step"]),
        }
        figures = {"valid_macro_f1": best["score"], "valid_accuracy": best["accuracy"]}
        receipt = files.write_receipt(staging, Receipt("finetune", counts, figures))
    keep.forget()
    return receipt


def _label_method(
    sides: Mapping[str, Sequence[TextRecord]],
    encoder: Path,
    *,
    labels: Sequence[str],
    max_tokens: int,
    cfg: FinetuneConfig,
    seed: int,
) -> "LabelObjective":
    import numpy as np
    from safetensors.torch import load

    from pipeline.core.evaluate.metrics import score
    from pipeline.core.model.tokenizer import encode, load_tokenizer
    from pipeline.core.train.objectives import EncoderStart, LabelObjective

    tokenizer = load_tokenizer((encoder / "tokenizer.json").read_text("utf-8"), max_tokens)
    tokens = {side: encode(tokenizer, [record.text for record in records]) for side, records in sides.items()}
    targets = {
        side: np.array([labels.index(record.label) for record in records]) for side, records in sides.items()
    }
    weights = load((encoder / "model.safetensors").read_bytes())
    return LabelObjective(
        start=EncoderStart(files.read_json(encoder / "config.json"), weights, cfg.dropout),
        train=tokens["train"],
        targets=targets["train"],
        held_out=tokens["valid"],
        held_out_targets=targets["valid"],
        labels=len(labels),
        batch_size=cfg.batch_size,
        class_weights=cfg.class_weights,
        score=score,
        seed=seed,
    )


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return finetune(
        context.folder("split"),
        context.folder("pretrain"),
        context.folder("finetune"),
        labels=params.collect.labels,
        max_tokens=params.encoder.max_tokens,
        cfg=params.finetune,
        training=context.training_context("finetune"),
    )
