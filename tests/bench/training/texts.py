"""Texts and the encoder that `make run` leaves, as ours and the peer are trained on them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 32
SEED = 20
# Each evaluation takes seconds, and a training has dozens of them.
VALID_TEXTS = 1000
# Tokens of a row, for pretraining: both fill their rows.
ROW_TOKENS = 64


@dataclass(frozen=True)
class Material:
    """Hold tokens and labels of both splits, the encoder, and where files of a bench may lie."""

    train: Any
    valid: Any
    start: Any
    tokenizer: str
    params: Any
    data: Path
    place: Path

    def objective(self, seed: int) -> Any:
        """Return the objective of fine-tuning by the params of the workspace."""
        from pipeline.core.evaluate.metrics import score
        from pipeline.core.train.objectives import LabelObjective

        cfg = self.params.finetune
        return LabelObjective(
            start=self.start,
            train=self.train,
            valid=self.valid,
            labels=len(self.params.collect.labels),
            batch_size=cfg.batch_size,
            class_weights=cfg.class_weights,
            score=score,
            seed=seed,
        )

    def word_objective(self) -> Any:
        """Return the objective of masked words on packed rows."""
        from pipeline.io.checkpoints import CheckpointFolder
        from pipeline.stages.training.pretraining_objective import PretrainingTokens, pretraining_objective

        encoder = self.params.encoder.model_copy(update={"max_tokens": ROW_TOKENS})
        cfg = self.params.pretrain.model_copy(
            update={"objective": "masked_words", "batch_tokens": BATCH * ROW_TOKENS}
        )
        tokens = PretrainingTokens(
            self.tokenizer, encoder, self.data / "splits", CheckpointFolder(self.place, "words")
        )
        return pretraining_objective(self.start, tokens, cfg, SEED)


def read_material(workspace: Path, place: Path, texts: int | None) -> Material:
    """Read the splits and the encoder of a workspace; so many texts of each, by a hash of their id."""
    from safetensors.torch import load

    from pipeline.core.train.objectives import EncoderStart
    from pipeline.io import files, parquet
    from pipeline.io.params_file import load_params

    data, params = workspace / "data", load_params(workspace / "params.yaml")
    document = (data / "encoder" / "tokenizer.json").read_text("utf-8")
    train, valid = (
        sorted(
            parquet.read_texts(data / "splits" / f"{side}.parquet"),
            key=lambda one: hashlib.sha256(one.id.encode()).hexdigest(),
        )[:most]
        for side, most in (("train", texts), ("valid", VALID_TEXTS))
    )
    weights = load((data / "encoder" / "model.safetensors").read_bytes())
    start = EncoderStart(files.read_json(data / "encoder" / "config.json"), weights, params.finetune.dropout)
    tokens = [_labelled(one, document, params) for one in (train, valid)]
    return Material(tokens[0], tokens[1], start, document, params, data, place)


def _labelled(texts: list[Any], document: str, params: Any) -> Any:
    from pipeline.core.model.tokenizer import encode, load_tokenizer
    from pipeline.core.train.objectives import LabelledTokens

    tokenizer = load_tokenizer(document, params.encoder.max_tokens)
    labels = [params.collect.labels.index(one.label) for one in texts]
    return LabelledTokens(encode(tokenizer, [one.text for one in texts], "head"), np.array(labels))
