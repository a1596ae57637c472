"""Fine-tune: train encoder and head on the labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import FinetuneConfig
from pipeline.base.records import Receipt, TextRecord
from pipeline.io import files, parquet
from pipeline.io.model_folder import write_model

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from pipeline.core.train.objectives import LabelledTokens, LabelObjective
    from pipeline.core.train.ray_trainer import TrainingResult
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
    long_texts: str = "head",
) -> Receipt:
    """Train encoder and head on the labels; write the classifier that is best on the validation split."""
    from pipeline.core.train.ray_trainer import TrainingJob

    inputs = [
        dict(files.verified_receipt(splits, made_by="split").files),
        dict(files.verified_receipt(encoder, made_by="pretrain").files),
    ]
    train, valid = (parquet.read_texts(splits / f"{side}.parquet") for side in ("train", "valid"))
    reading = (max_tokens, long_texts)
    objective = _objective(
        (train, valid), encoder, labels=labels, reading=reading, cfg=cfg, seed=training.seed
    )
    steps = max(cfg.min_steps, cfg.epochs * objective.sampler.steps_per_epoch)
    checkpoints = training.checkpoint_store("finetune", inputs, list(labels), *reading, cfg.model_dump())
    result = training.train(
        TrainingJob(
            "finetune",
            objective,
            cfg,
            steps=steps,
            eval_steps=frozenset({*range(cfg.eval_every, steps, cfg.eval_every), steps}),
            patience=cfg.patience,
            checkpoints=checkpoints,
        )
    )
    counts = {"train": len(train), "valid": len(valid), "steps": steps}
    receipt = _write(out, result, encoder, counts=counts)
    checkpoints.delete()
    return receipt


def _write(out: Path, result: "TrainingResult", encoder: Path, *, counts: dict[str, int]) -> Receipt:
    best = max(result.history, key=lambda metrics: metrics["score"])
    figures = {"valid_macro_f1": best["score"], "valid_accuracy": best["accuracy"]}
    config = files.read_json(encoder / "config.json")
    tokenizer = (encoder / "tokenizer.json").read_text("utf-8")
    with files.staging_dir(out) as staging:
        write_model(staging, result.weights, config, tokenizer, result.history)
        counts = {**counts, "best_step": int(best["step"])}
        return files.write_receipt(staging, Receipt("finetune", counts, figures))


def _objective(
    texts: tuple[Sequence[TextRecord], Sequence[TextRecord]],
    encoder: Path,
    *,
    labels: Sequence[str],
    reading: tuple[int, str],
    cfg: FinetuneConfig,
    seed: int,
) -> "LabelObjective":
    """Return the objective on the texts of train and valid.

    `reading` holds the most tokens of a text, and what is read of a longer one.
    """
    from safetensors.torch import load

    from pipeline.core.evaluate.metrics import score
    from pipeline.core.model.tokenizer import load_tokenizer
    from pipeline.core.train.objectives import EncoderStart, LabelObjective

    config = files.read_json(encoder / "config.json")
    weights = load((encoder / "model.safetensors").read_bytes())
    (train, valid), (max_tokens, long_texts) = texts, reading
    tokenizer = load_tokenizer((encoder / "tokenizer.json").read_text("utf-8"), max_tokens)
    return LabelObjective(
        start=EncoderStart(config, weights, cfg.dropout),
        train=_labelled(train, tokenizer, labels, long_texts),
        valid=_labelled(valid, tokenizer, labels, long_texts),
        labels=len(labels),
        batch_size=cfg.batch_size,
        class_weights=cfg.class_weights,
        score=score,
        seed=seed,
    )


def _labelled(
    records: Sequence[TextRecord], tokenizer: "Tokenizer", labels: Sequence[str], long_texts: str
) -> "LabelledTokens":
    import numpy as np

    from pipeline.core.model.tokenizer import encode
    from pipeline.core.train.objectives import LabelledTokens

    tokens = encode(tokenizer, [record.text for record in records], long_texts)
    return LabelledTokens(tokens, np.array([labels.index(record.label) for record in records]))


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return finetune(
        context.folder("split"),
        context.folder("pretrain"),
        context.folder("finetune"),
        labels=params.collect.labels,
        max_tokens=params.encoder.max_tokens,
        long_texts=params.encoder.long_texts,
        cfg=params.finetune,
        training=context.training_context("finetune"),
    )
