"""Soft labels: a probability for each label of a text, as the ratings of several people give it.

Shapes: N texts, B texts of a batch, T tokens, L labels.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.core.train.batches import Batch, Tokens, pad
from pipeline.core.train.objectives.labels import LabelObjective
from pipeline.core.train.objectives.objective import LabelledTexts, Labels


class SoftLabelledTexts(LabelledTexts, Protocol):
    """Describe tokenized texts with a label and the probability of each label."""

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Return the probability of each label of each text."""


@dataclass(frozen=True)
class SoftLabelledTokens:
    """Hold tokenized texts, their labels and the probability of each label in memory."""

    tokens: Tokens
    labels: Labels
    probabilities: NDArray[np.float32]


@dataclass
class SoftLabelObjective(LabelObjective):
    """Train a classifier on the probability of each label; where one label has all of it, as on labels.

    A label weighs by the inverse of its share of all probability, to the power of `class_weights`. Validation
    is by label. Raises ValueError where the probabilities of a text do not add up to 1.
    """

    train: SoftLabelledTexts

    def __post_init__(self) -> None:
        sums_N = self.train.probabilities.sum(1)
        wrong = np.flatnonzero(~(np.abs(sums_N - 1) < 1e-3))
        if len(wrong):
            raise ValueError(f"row {wrong[0]}: its probabilities add up to {sums_N[wrong[0]]:.3f}, not to 1")

    @property
    def targets(self) -> Tensor:
        """Return what is learnt of each training text."""
        return torch.from_numpy(self.train.probabilities)

    @cached_property
    def weights_L(self) -> Tensor:
        """Return the weight of each label."""
        counts = self.train.probabilities.sum(0, dtype=np.float64).clip(min=1)
        weights = (counts.mean() / counts) ** self.class_weights
        return torch.as_tensor(weights * counts.sum() / (weights * counts).sum(), dtype=torch.float32)

    def batch(self, step: int) -> Batch:
        """Return the texts and probabilities of a step."""
        rows = self.sampler.rows(step)
        tokens_BT, mask_BT = pad([self.train.tokens[row] for row in rows.tolist()])
        targets_BL = torch.from_numpy(self.train.probabilities[rows])
        return Batch(tokens_BT, mask_BT, targets_BL, weight=float((targets_BL * self.weights_L).sum()))

    def cross_entropy(self, logits_BL: Tensor, targets: Tensor) -> Tensor:
        """Return the sum of the weighted cross-entropy of the probabilities."""
        log_BL = functional.log_softmax(logits_BL, dim=1)
        smoothing = self.options.smoothing
        if smoothing:
            targets = targets * (1 - smoothing) + smoothing / self.labels
        return -(targets * self.weights_L.to(log_BL.device) * log_BL).sum()
