"""Several labels: any number of them for each text, each by itself.

Shapes: N texts, B texts of a batch, T tokens, L labels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.seeds import seed_for
from pipeline.core.model.heads import Classifier
from pipeline.core.train.batches import Batch, Tokens, pad
from pipeline.core.train.objectives.objective import (
    EVAL_BATCH,
    EncoderStart,
    LengthBucketed,
    Metrics,
    evaluation_mode,
)

LabelSets = NDArray[np.bool_]


@dataclass(frozen=True)
class LabelSetTexts:
    """Hold tokenized texts and which labels each has: NL."""

    tokens: Tokens
    label_sets_NL: LabelSets


@dataclass
class SeveralLabelObjective(LengthBucketed):
    """Train a classifier whose labels are independent (binary cross-entropy).

    `score` gets the labels and the predicted ones, both NL, and should rise.
    """

    start: EncoderStart
    train: LabelSetTexts
    valid: LabelSetTexts
    batch_size: int
    score: Callable[[LabelSets, LabelSets], float]
    seed: int

    @property
    def train_tokens(self) -> Tokens:
        """Return the texts to train on."""
        return self.train.tokens

    def build_model(self) -> nn.Module:
        """Put a new classification head on the encoder."""
        seed, labels = seed_for(self.seed, "classifier"), self.train.label_sets_NL.shape[1]
        return Classifier(self.start.encoder(seed), labels, dropout=self.start.dropout, seed=seed)

    def batch(self, step: int) -> Batch:
        """Return the texts and label sets of a step."""
        rows = self.sampler.rows(step)
        tokens_BT, mask_BT = pad([self.train.tokens[row] for row in rows.tolist()])
        targets_BL = torch.from_numpy(self.train.label_sets_NL[rows]).float()
        return Batch(tokens_BT, mask_BT, targets_BL, weight=float(targets_BL.numel()))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the binary cross-entropy of every label."""
        logits_BL = model(batch.tokens_BT, batch.mask_BT)
        return functional.binary_cross_entropy_with_logits(logits_BL, batch.targets, reduction="sum") / (
            batch.weight
        )

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute the score, and the share of texts with exactly the right labels."""
        truth = np.asarray(self.valid.label_sets_NL)
        predicted = np.zeros(truth.shape, dtype=np.bool_)
        with evaluation_mode(model) as device:
            for start in range(0, len(truth), EVAL_BATCH):
                rows = range(start, min(start + EVAL_BATCH, len(truth)))
                tokens_BT, mask_BT = pad([self.valid.tokens[row] for row in rows])
                logits_BL = model(tokens_BT.to(device), mask_BT.to(device))
                # A label is predicted from a probability of one half on.
                predicted[start : start + len(rows)] = (logits_BL > 0).cpu().numpy()
        exact = float((predicted == truth).all(axis=1).mean())
        return {"exact": exact, "score": self.score(truth, predicted)}
