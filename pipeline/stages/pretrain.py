"""Pretrain: adapt an encoder to the texts by language modelling."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base import logs
from pipeline.base.config import EncoderConfig, Params, PretrainConfig, ValidateConfig
from pipeline.base.config.workspace import user_path
from pipeline.base.records import SPLITS, Receipt
from pipeline.base.seeds import seed_for
from pipeline.base.tasks import SINGLE_LABEL, TaskName, writes_texts
from pipeline.io import files, parquet
from pipeline.io.model_folder import (
    NEXT_WORD_HEAD_FILE,
    WORD_HEAD,
    WORD_HEAD_FILE,
    write_model,
    write_tensors,
)
from pipeline.io.training.token_shards import TokenShards
from pipeline.stages.training.pretraining_objective import PretrainingTokens, pretraining_objective
from pipeline.stages.training.text_ids import TextIds

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.core.methods.checks import FinetuningPlan
    from pipeline.core.model.coverage import Coverage
    from pipeline.core.train.objectives import EncoderStart
    from pipeline.stages.context import StageContext, TrainingContext

log = logs.get("pretrain")
PREFIX = "encoder."


def pretrain(
    splits: Path,
    out: Path,
    *,
    encoder: EncoderConfig,
    cfg: PretrainConfig,
    limits: ValidateConfig,
    training: "TrainingContext",
    finetuning: "FinetuningPlan | None" = None,
    task: TaskName = SINGLE_LABEL,
) -> Receipt:
    """Train an encoder as a language model on the training texts; write encoder and tokenizer.

    With no steps the encoder is written as it starts. Raises, before training, DataRejected where the
    tokenizer does not know the texts or cuts off too much, ConfigError where `finetuning` asks for what the
    encoder, its tokenizer or the number of texts has not, and either where the encoder cannot do the `task`.
    """
    from pipeline.core.methods.checks import require_finetuning
    from pipeline.core.tasks import task_named

    inputs = files.verified_receipt(splits, made_by="split")
    train = parquet.TextColumn(splits / "train.parquet", answers=writes_texts(task))
    start, document = _start(encoder, train, dropout=cfg.dropout, downloads=training.downloads)
    if finetuning:
        word_head = cfg.objective != "causal" if cfg.steps else bool(start.word_head)
        require_finetuning(finetuning, start.config, document, texts=len(train), has_word_head=word_head)
    task_named(task).require_start(start.config, document, _answers(splits, task), encoder)
    coverage = _check_coverage(document, train, encoder, limits)
    before = Receipt(
        "pretrain",
        {"cut_texts": coverage.cut_texts},
        {"unknown_tokens": coverage.unknown_share, "cut_words": coverage.cut_word_share},
        {"start": encoder.start, "objective": cfg.objective if cfg.steps else "none"},
    )
    if not cfg.steps:
        weights = start.encoder(seed_for(training.seed, "encoder")).state_dict()
        untrained = {PREFIX + name: value for name, value in weights.items()} | dict(start.word_head or {})
        return _write(out, untrained, [], before, config=start.config, tokenizer=document)
    store = training.checkpoint_store("pretrain", dict(inputs.files), encoder.model_dump(), cfg.model_dump())
    tokens = PretrainingTokens(document, encoder, splits, store)
    return _train(out, start, tokens, cfg, training=training, before=before)


def _answers(splits: Path, task: TaskName) -> Iterator[str]:
    """Yield the texts that answer others, of every split."""
    sides = SPLITS if writes_texts(task) else ()
    return (
        one for side in sides for (one,) in parquet.stream_rows(splits / f"{side}.parquet", "label") if one
    )


def _train(
    out: Path,
    start: "EncoderStart",
    tokens: PretrainingTokens,
    cfg: PretrainConfig,
    *,
    training: "TrainingContext",
    before: Receipt,
) -> Receipt:
    """Train on the tokens, and write the step of the best score, before or after, with its perplexity."""
    from pipeline.core.train.jobs import TrainingJob

    objective = pretraining_objective(start, tokens, cfg, training.seed)
    assert isinstance(objective.train, TokenShards)
    result = training.train(
        TrainingJob(
            "pretrain",
            objective,
            cfg,
            steps=cfg.steps,
            eval_steps=frozenset({0, cfg.steps}),
            patience=2,
            checkpoints=tokens.checkpoints,
            ids=TextIds(objective.train, tokens.splits / "train.parquet"),
        )
    )
    counts = {"texts": len(objective.train), "held_out": len(objective.valid), **before.counts}
    # Of pairs of sentences the step that is kept need not be that of the lowest perplexity.
    kept = max(result.history, key=lambda metrics: metrics["score"])
    perplexity = {
        "perplexity_before": result.history[0]["perplexity"],
        "perplexity_after": kept["perplexity"],
    }
    before = replace(before, counts=counts, figures={**before.figures, **perplexity})
    receipt = _write(
        out, result.weights, result.history, before, config=start.config, tokenizer=tokens.document
    )
    tokens.checkpoints.delete()
    return receipt


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
        # What starts from random weights has learnt no language, and learns this one by its bytes.
        knows_bytes=encoder.start == "scratch",
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
    out: Path,
    weights: "Mapping[str, Tensor]",
    history: Sequence[Mapping[str, float]],
    before: Receipt,
    *,
    config: Mapping[str, Any],
    tokenizer: str,
) -> Receipt:
    """Write encoder and word head, and complete the receipt that was begun before."""
    encoder = {name.removeprefix(PREFIX): value for name, value in weights.items() if name.startswith(PREFIX)}
    word_head = {name: value for name, value in weights.items() if name.startswith(WORD_HEAD)}
    counts = {**before.counts, "parameters": sum(value.numel() for value in encoder.values())}
    with files.staging_dir(out) as staging:
        write_model(staging, encoder, config, tokenizer, history)
        if word_head:
            name = NEXT_WORD_HEAD_FILE if before.notes["objective"] == "causal" else WORD_HEAD_FILE
            write_tensors(staging / name, word_head)
        return files.write_receipt(staging, replace(before, counts=counts))


def _start(
    encoder: EncoderConfig, texts: Iterable[str], *, dropout: float, downloads: Path
) -> "tuple[EncoderStart, str]":
    """Return the encoder before pretraining, and its tokenizer's JSON."""
    from pipeline.core.model.encoder import scratch_config
    from pipeline.core.model.published import read_published
    from pipeline.core.model.tokenizer import vocabulary_size
    from pipeline.core.train.objectives import EncoderStart
    from pipeline.core.vocabulary import train_tokenizer
    from pipeline.io.models.encoder_start import read_start

    if encoder.start == "scratch":
        shape = encoder.scratch
        tokenizer = train_tokenizer(texts, kind=shape.tokenizer, vocabulary=shape.vocabulary)
        config = scratch_config(
            vocabulary=vocabulary_size(tokenizer),
            width=shape.width,
            layers=shape.layers,
            heads=shape.heads,
            feed_forward=shape.feed_forward,
            max_tokens=encoder.max_tokens,
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
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
    folder = str(root / user_path(encoder.folder)) if encoder.folder else None
    return encoder.model_copy(update={"folder": folder})


def _plan(params: Params) -> "FinetuningPlan":
    from pipeline.core.methods.checks import FinetuningPlan

    return FinetuningPlan(params.finetune, params.collect.labels, params.encoder.max_tokens)


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    # Where fine-tuning goes on from the champion, the encoder is a baseline alone.
    used = params.finetune.start == "encoder"
    return pretrain(
        context.folder("split"),
        context.folder("pretrain"),
        encoder=_from_root(params.encoder, context.workspace.root),
        cfg=params.pretrain if used else params.pretrain.model_copy(update={"steps": 0}),
        limits=params.validation,
        training=context.training_context("pretrain"),
        finetuning=_plan(params) if used else None,
        task=params.task,
    )
