"""Causal language modelling: each token from those before it (Radford et al., 2018).

Shapes: B rows, T tokens, M tokens that have a next one, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.seeds import seed_for
from pipeline.core.model.language_models import CausalLanguageModel
from pipeline.core.train.batches import Batch, Tokens, token_lengths
from pipeline.core.train.masking import IGNORED
from pipeline.core.train.objectives.objective import (
    EVAL_BATCH,
    EncoderStart,
    LengthBucketed,
    Metrics,
    evaluation_mode,
)
from pipeline.core.train.packing import PackedSampler, TokenBudget, pack


@dataclass
class CausalObjective(LengthBucketed):
    """Train a language model to predict the next token; with a `budget` rows hold several texts."""

    start: EncoderStart
    train: Tokens
    valid: Tokens
    batch_size: int
    budget: TokenBudget | None
    seed: int

    @property
    def train_tokens(self) -> Tokens:
        """Return the texts to train on."""
        return self.train

    @cached_property
    def packed_sampler(self) -> PackedSampler | None:
        """Return the sampler of rows of several texts, None where a row is one text."""
        return PackedSampler(token_lengths(self.train), self.budget, seed=self.seed) if self.budget else None

    def build_model(self) -> nn.Module:
        """Put a new output layer on the encoder."""
        return CausalLanguageModel(self.start.encoder(seed_for(self.seed, "encoder")))

    def texts(self, step: int) -> Sequence[Sequence[int]]:
        """Return the row numbers of the texts in each row of the batch of a step."""
        if self.packed_sampler is None:
            return super().texts(step)
        return [texts.tolist() for texts in self.packed_sampler.rows(step)]

    def batch(self, step: int) -> Batch:
        """Return the texts of a step, and for each token the next one of its text."""
        return _next_tokens(self.train, self.texts(step))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the cross-entropy of the next tokens."""
        wanted_BT = batch.targets != IGNORED
        logits_MV = model(batch.tokens_BT, batch.mask_BT, wanted_BT)
        return functional.cross_entropy(logits_MV, batch.targets[wanted_BT], reduction="sum") / batch.weight

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute the perplexity of the validation texts, by token."""
        loss = weight = 0.0
        with evaluation_mode(model) as device:
            for start in range(0, len(self.valid), EVAL_BATCH):
                rows = [[row] for row in range(start, min(start + EVAL_BATCH, len(self.valid)))]
                batch = _next_tokens(self.valid, rows)
                loss += float(self.loss(model, batch.to(device))) * batch.weight
                weight += batch.weight
        return {"perplexity": float(np.exp(min(loss / weight, 80.0))), "score": -loss / weight}


def _next_tokens(texts: Tokens, rows: Sequence[Sequence[int]]) -> Batch:
    tokens_BT, texts_BT = pack([[texts[text] for text in row] for row in rows])
    targets_BT = torch.full_like(tokens_BT, IGNORED)
    goes_on_BT = (texts_BT[:, 1:] == texts_BT[:, :-1]) & (texts_BT[:, 1:] > 0)
    targets_BT[:, :-1] = torch.where(goes_on_BT, tokens_BT[:, 1:], IGNORED)
    return Batch(tokens_BT, texts_BT, targets_BT, weight=max(1.0, float((targets_BT != IGNORED).sum())))
