"""Causal language modelling: each token from those before it (Radford et al., 2018).

Shapes: B rows, T tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from pipeline.base.seeds import seed_for
from pipeline.core.model.language_models import CausalLanguageModel
from pipeline.core.train.batches import Batch, Tokens, token_lengths
from pipeline.core.train.masking import IGNORED
from pipeline.core.train.objectives.word_prediction import WordPrediction
from pipeline.core.train.packing import PackedSampler, TokenBudget, pack


@dataclass
class CausalObjective(WordPrediction):
    """Train a language model to predict the next token; with a `budget` rows hold several texts."""

    budget: TokenBudget | None

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

    def valid_batch(self, rows: list[int]) -> Batch:
        """Return some validation texts, a row each."""
        return _next_tokens(self.valid, [[row] for row in rows])


def _next_tokens(texts: Tokens, rows: Sequence[Sequence[int]]) -> Batch:
    tokens_BT, texts_BT = pack([[texts[text] for text in row] for row in rows])
    targets_BT = torch.full_like(tokens_BT, IGNORED)
    goes_on_BT = (texts_BT[:, 1:] == texts_BT[:, :-1]) & (texts_BT[:, 1:] > 0)
    targets_BT[:, :-1] = torch.where(goes_on_BT, tokens_BT[:, 1:], IGNORED)
    return Batch(tokens_BT, texts_BT, targets_BT, weight=max(1.0, float((targets_BT != IGNORED).sum())))
