"""Token labels: one for each token of a text, as the parts of names.

Shapes: B texts, T tokens, M labelled tokens, L labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.seeds import seed_for
from pipeline.core.model.language_models import TokenClassifier
from pipeline.core.train.batches import Batch, TokenIds, Tokens, pad, token_lengths
from pipeline.core.train.masking import IGNORED
from pipeline.core.train.objectives.objective import (
    EncoderStart,
    LengthBucketed,
    Metrics,
    evaluated_at_once,
    evaluation_mode,
)

Tags = Sequence[Sequence[int]]


class TaggedTexts(Protocol):
    """Describe tokenized texts, and the label of each token; -100 where it has none."""

    @property
    def tokens(self) -> Tokens:
        """Return the texts."""

    def tags(self, row: int) -> TokenIds:
        """Return the labels of the tokens of a text."""


@dataclass(frozen=True)
class TaggedTokens:
    """Hold tokenized texts and the labels of their tokens in memory."""

    tokens: Tokens
    labels: Sequence[TokenIds]

    def tags(self, row: int) -> TokenIds:
        """Return the labels of the tokens of a text."""
        return self.labels[row]


@dataclass
class TokenLabelObjective(LengthBucketed):
    """Train a classifier of tokens.

    `score` gets the labels and the predicted ones of each text, without tokens that have none, and should
    rise: entity F1, where labels are the parts of names.
    """

    start: EncoderStart
    train: TaggedTexts
    valid: TaggedTexts
    labels: int
    batch_size: int
    score: Callable[[Tags, Tags], float]
    seed: int

    @property
    def train_tokens(self) -> Tokens:
        """Return the texts to train on."""
        return self.train.tokens

    def build_model(self) -> nn.Module:
        """Put a head on the encoder, a new one or a trained one."""
        seed = seed_for(self.seed, "classifier")
        model = TokenClassifier(self.start.encoder(seed), self.labels, dropout=self.start.dropout, seed=seed)
        return self.start.with_head(model)

    def batch(self, step: int) -> Batch:
        """Return the texts of a step and the labels of their tokens."""
        return _tagged(self.train, self.sampler.rows(step).tolist())

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the cross-entropy of the labels of the tokens that have one."""
        logits_BTL = model(batch.tokens_BT, batch.mask_BT)
        loss = functional.cross_entropy(
            logits_BTL.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return loss / batch.weight

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute the score, and the share of tokens with the right label."""
        truth: list[list[int]] = []
        predicted: list[list[int]] = []
        with evaluation_mode(model) as device:
            for rows in evaluated_at_once(token_lengths(self.valid.tokens)):
                batch = _tagged(self.valid, list(rows))
                best_BT = model(batch.tokens_BT.to(device), batch.mask_BT.to(device)).argmax(2).cpu()
                for best_T, wanted_T in zip(best_BT, batch.targets, strict=True):
                    has_label_T = wanted_T != IGNORED
                    truth.append(wanted_T[has_label_T].tolist())
                    predicted.append(best_T[has_label_T].tolist())
        return {"accuracy": _share_equal(truth, predicted), "score": self.score(truth, predicted)}


def _tagged(texts: TaggedTexts, rows: list[int]) -> Batch:
    tokens_BT, mask_BT = pad([texts.tokens[row] for row in rows])
    targets_BT, _ = pad([texts.tags(row) for row in rows], fill=IGNORED)
    if targets_BT.shape != tokens_BT.shape:
        raise ValueError(f"the labels of rows {rows[:5]} are not as many as their tokens")
    return Batch(tokens_BT, mask_BT, targets_BT, weight=max(1.0, float((targets_BT != IGNORED).sum())))


def _share_equal(truth: Tags, predicted: Tags) -> float:
    both: NDArray[np.bool_] = np.concatenate(
        [np.asarray(one) == np.asarray(other) for one, other in zip(truth, predicted, strict=True)]
    )
    return float(both.mean())
