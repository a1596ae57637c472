"""Fine-tune: train encoder and head on the labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import FinetuneConfig
from pipeline.base.config.table_section import RatingRule
from pipeline.base.errors import ConfigError
from pipeline.base.records import Receipt
from pipeline.base.tasks import SINGLE_LABEL, TaskName
from pipeline.io import files, parquet
from pipeline.io.model_folder import write_model
from pipeline.io.training.token_shards import Columns, in_batches

if TYPE_CHECKING:
    from pipeline.core.tasks import Task
    from pipeline.core.tasks.protocol import TaskObjective, Training
    from pipeline.core.train.checkpoints import CheckpointStore
    from pipeline.core.train.objectives import EncoderStart
    from pipeline.core.train.ray_trainer import TrainingJob, TrainingResult
    from pipeline.stages.context import StageContext, TrainingContext

# What the objectives of the tasks measure beside the score.
FIGURES = ("accuracy", "exact", "mean_absolute_error", "weighted_kappa")


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
    rules: Mapping[str, RatingRule] | None = None,
    task: TaskName = SINGLE_LABEL,
) -> Receipt:
    """Train encoder and head on the labels; write the classifier that is best on the validation split.

    `rules` turn the single ratings of a source's texts into the probability of each label, where `cfg` asks
    for them.
    """
    from pipeline.core.tasks import task_named
    from pipeline.core.tasks.protocol import Training

    sources = {"split": splits, "pretrain": encoder}
    inputs = [dict(files.verified_receipt(path, made_by=stage).files) for stage, path in sources.items()]
    rules = _rules(rules or {}, cfg)
    parts = [list(labels), max_tokens, long_texts, cfg.model_dump(), dict(rules), task]
    checkpoints = training.checkpoint_store("finetune", inputs, *parts)
    made_for, targets = task_named(task), Training(labels, rules, cfg, training.seed, long_texts)
    tokens = _Tokens(encoder, max_tokens, made_for, targets)
    train = checkpoints.texts("train", tokens.of(splits / "train.parquet"))
    valid = checkpoints.texts("valid", tokens.of(splits / "valid.parquet"))
    objective = made_for.objective(train, valid, _start(encoder, cfg.dropout), targets)
    job = _job(objective, cfg, checkpoints)
    result = training.train(job)
    counts = {"train": len(train), "valid": len(valid), "steps": job.steps}
    receipt = _write(out, result, encoder, counts=counts)
    checkpoints.delete()
    return receipt


def _job(objective: "TaskObjective", cfg: FinetuneConfig, checkpoints: "CheckpointStore") -> "TrainingJob":
    from pipeline.core.train.ray_trainer import TrainingJob

    steps = max(cfg.min_steps, cfg.epochs * objective.sampler.steps_per_epoch)
    return TrainingJob(
        "finetune",
        objective,
        cfg,
        steps=steps,
        eval_steps=frozenset({*range(cfg.eval_every, steps, cfg.eval_every), steps}),
        patience=cfg.patience,
        checkpoints=checkpoints,
    )


def _write(out: Path, result: "TrainingResult", encoder: Path, *, counts: dict[str, int]) -> Receipt:
    best = max(result.history, key=lambda metrics: metrics["score"])
    figures = {"valid_macro_f1": best["score"]}
    figures |= {f"valid_{name}": best[name] for name in FIGURES if name in best}
    config = files.read_json(encoder / "config.json")
    tokenizer = (encoder / "tokenizer.json").read_text("utf-8")
    with files.staging_dir(out) as staging:
        write_model(staging, result.weights, config, tokenizer, result.history)
        counts = {**counts, "best_step": int(best["step"])}
        return files.write_receipt(staging, Receipt("finetune", counts, figures))


def _rules(rules: Mapping[str, RatingRule], cfg: FinetuneConfig) -> Mapping[str, RatingRule]:
    """Return the rating rules where they are asked for; refuse where no source has any."""
    if cfg.targets == "labels":
        return {}
    if not rules:
        raise ConfigError(
            "finetune.targets is `ratings`, and no source has single ratings. Write `targets: labels` under "
            "`finetune` in params.yaml, or `ratings` and a column of `raters` under a source."
        )
    return rules


def _start(encoder: Path, dropout: float) -> "EncoderStart":
    from safetensors.torch import load

    from pipeline.core.train.objectives import EncoderStart

    weights = load((encoder / "model.safetensors").read_bytes())
    return EncoderStart(files.read_json(encoder / "config.json"), weights, dropout)


@dataclass(frozen=True)
class _Tokens:
    """Hold what makes tokens and targets of a split."""

    encoder: Path
    max_tokens: int
    task: "Task"
    training: "Training"

    def of(self, path: Path) -> Iterator[Columns]:
        """Yield the tokens and targets of a split, one batch of texts in memory."""
        from pipeline.core.model.tokenizer import load_tokenizer
        from pipeline.core.tasks import TruthRow

        document = (self.encoder / "tokenizer.json").read_text("utf-8")
        tokenizer = load_tokenizer(document, self.max_tokens)
        for rows in in_batches(parquet.stream_rows(path, "text", "label", "source", *self._raters(path))):
            texts, truth = [row[0] for row in rows], [TruthRow(*row[1:]) for row in rows]
            yield self.task.encoded(tokenizer, texts, truth, self.training)

    def _raters(self, path: Path) -> tuple[str, ...]:
        # A data version of before has no such column.
        return ("raters",) if self.training.rules and "raters" in parquet.column_names(path) else ()


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
        task=params.task,
        rules={source.name: source.ratings for source in params.collect.tables if source.ratings},
    )
