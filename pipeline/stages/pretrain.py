"""Pretrain: adapt an encoder to the texts by language modelling."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base import logs
from pipeline.base.config import EncoderConfig, PretrainConfig, ValidateConfig
from pipeline.base.records import Receipt
from pipeline.base.seeds import seed_for
from pipeline.io import files, parquet
from pipeline.io.model_folder import WORD_HEAD_FILE, write_model, write_tensors
from pipeline.stages.pretraining_objective import PretrainingTokens, pretraining_objective

if TYPE_CHECKING:
    from pipeline.core.model.coverage import Coverage
    from pipeline.core.train.objectives import EncoderStart, Objective
    from pipeline.core.train.ray_trainer import TrainingJob, TrainingResult
    from pipeline.io.checkpoints import CheckpointFolder
    from pipeline.stages.context import StageContext, TrainingContext

log = logs.get("pretrain")
# Begin the names of its weights, which only a prompt needs afterwards.
WORD_HEAD = ("transform.", "bias")
# In place of an objective, where nothing is trained.
UNTRAINED = "none"


def pretrain(
    splits: Path,
    out: Path,
    *,
    encoder: EncoderConfig,
    cfg: PretrainConfig | None,
    limits: ValidateConfig,
    training: "TrainingContext",
) -> Receipt:
    """Train an encoder as a language model on the training texts; write encoder and tokenizer.

    Without `cfg` the encoder is written as it was published: fine-tuning goes on from the champion, and the
    encoder is a baseline alone. Raises DataRejected before training where the tokenizer does not know the
    texts or cuts off too much.
    """
    inputs = files.verified_receipt(splits, made_by="split")
    train = parquet.TextColumn(splits / "train.parquet")
    dropout = cfg.dropout if cfg else 0.0
    start, document = _start(encoder, train, dropout=dropout, downloads=training.downloads)
    coverage = _check_coverage(document, train, encoder, limits)
    figures = {"unknown_tokens": coverage.unknown_share, "cut_words": coverage.cut_word_share}
    notes = {"start": encoder.start, "objective": cfg.objective if cfg else UNTRAINED}
    before = Receipt("pretrain", {"cut_texts": coverage.cut_texts}, figures, notes)
    if cfg is None:
        return _write(out, _untrained(start, training.seed), start.config, document, before)
    checkpoints = training.checkpoint_store(
        "pretrain", dict(inputs.files), encoder.model_dump(), cfg.model_dump()
    )
    tokens = PretrainingTokens(document, encoder, splits, checkpoints)
    objective = pretraining_objective(start, tokens, cfg, training.seed)
    texts = {"texts": len(objective.train), "held_out": len(objective.valid)}
    before = replace(before, counts={**texts, **before.counts})
    result = training.train(_job(objective, cfg, checkpoints))
    receipt = _write(out, result, start.config, document, before)
    checkpoints.delete()
    return receipt


def _job(objective: "Objective", cfg: PretrainConfig, checkpoints: "CheckpointFolder") -> "TrainingJob":
    from pipeline.core.train.ray_trainer import TrainingJob

    return TrainingJob(
        "pretrain",
        objective,
        cfg,
        steps=cfg.steps,
        eval_steps=frozenset({0, cfg.steps}),
        patience=2,
        checkpoints=checkpoints,
    )


def _untrained(start: "EncoderStart", seed: int) -> "TrainingResult":
    """Return the weights of an encoder as it starts, in the form of a training that took no step."""
    from pipeline.core.train.ray_trainer import TrainingResult

    weights = start.encoder(seed_for(seed, "encoder")).state_dict()
    return TrainingResult({f"encoder.{name}": value for name, value in weights.items()}, ())


def _check_coverage(
    document: str, texts: Iterable[str], encoder: EncoderConfig, limits: ValidateConfig
) -> "Coverage":
    """Measure what the tokenizer makes of the training texts, and refuse what it does not know."""
    from pipeline.core.model.coverage import measure_coverage, require_coverage

    coverage = measure_coverage(
        document,
        texts,
        max_tokens=encoder.max_tokens,
        sample_texts=limits.sample_texts,
        long_texts=encoder.long_texts,
    )
    require_coverage(coverage, limits, encoder)
    event = log.warning if coverage.cut_texts else log.info
    event(
        "tokenizer.covers",
        texts=coverage.texts,
        unknown_tokens=round(coverage.unknown_share, 4),
        max_tokens=encoder.max_tokens,
        cut_texts=coverage.cut_texts,
        cut_words=round(coverage.cut_word_share, 4),
        key="encoder.max_tokens",
    )
    return coverage


def _write(
    out: Path, result: "TrainingResult", config: Mapping[str, Any], tokenizer: str, before: Receipt
) -> Receipt:
    """Write the model, and complete the receipt that was begun before the training."""
    prefix = "encoder."
    weights = {
        name.removeprefix(prefix): value for name, value in result.weights.items() if name.startswith(prefix)
    }
    counts = {**before.counts, "parameters": sum(value.numel() for value in weights.values())}
    perplexities = [metrics["perplexity"] for metrics in result.history]
    figures = dict(before.figures)
    if perplexities:
        figures |= {"perplexity_before": perplexities[0], "perplexity_after": min(perplexities)}
    with files.staging_dir(out) as staging:
        write_model(staging, weights, config, tokenizer, result.history)
        if before.notes["objective"] not in ("causal", UNTRAINED):
            word_head = {name: value for name, value in result.weights.items() if name.startswith(WORD_HEAD)}
            write_tensors(staging / WORD_HEAD_FILE, word_head)
        return files.write_receipt(staging, Receipt("pretrain", counts, figures, before.notes))


def _start(
    encoder: EncoderConfig, texts: Iterable[str], *, dropout: float, downloads: Path
) -> "tuple[EncoderStart, str]":
    """Return the encoder before pretraining, and its tokenizer's JSON."""
    from pipeline.core.model.encoder import scratch_config
    from pipeline.core.model.published import read_published
    from pipeline.core.model.tokenizer import train_tokenizer, vocabulary_size
    from pipeline.core.train.objectives import EncoderStart
    from pipeline.io.models.encoder_start import read_start

    if encoder.start == "scratch":
        shape = encoder.scratch
        tokenizer = train_tokenizer(texts, vocabulary=shape.vocabulary)
        config = scratch_config(
            vocabulary=vocabulary_size(tokenizer),
            width=shape.width,
            layers=shape.layers,
            heads=shape.heads,
            feed_forward=shape.feed_forward,
            max_tokens=encoder.max_tokens,
        )
        return EncoderStart(_with_windows(config, encoder), None, dropout), tokenizer
    where, source = read_start(encoder, downloads)
    model = read_published(
        source.config, source.weights, source.tokenizer, where=where, max_tokens=encoder.max_tokens
    )
    config_of_windows = _with_windows(model.config, encoder)
    return EncoderStart(config_of_windows, model.weights, dropout, model.word_head), model.tokenizer


def _with_windows(config: Mapping[str, Any], encoder: EncoderConfig) -> Mapping[str, Any]:
    """Add to a config what a classifier on this encoder must know of long texts."""
    from pipeline.core.model.encoder import WINDOW_TOKENS

    return {**config, WINDOW_TOKENS: encoder.max_tokens} if encoder.long_texts == "windows" else config


def _from_root(encoder: EncoderConfig, root: Path) -> EncoderConfig:
    """Return the section with a relative folder taken from the workspace's root."""
    folder = str(root / Path(encoder.folder).expanduser()) if encoder.folder else None
    return encoder.model_copy(update={"folder": folder})


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return pretrain(
        context.folder("split"),
        context.folder("pretrain"),
        encoder=_from_root(params.encoder, context.workspace.root),
        cfg=params.pretrain if params.finetune.start == "encoder" else None,
        limits=params.validation,
        training=context.training_context("pretrain"),
    )
