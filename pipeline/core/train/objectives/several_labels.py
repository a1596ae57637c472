"""Several labels: any number of them for each text, each by itself.

Shapes: N texts, B texts of a batch, T tokens, L labels.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.seeds import seed_for
from pipeline.core.model.heads import Classifier
from pipeline.core.train.batches import Batch, Tokens, pad, token_lengths
from pipeline.core.train.objectives.objective import (
    EncoderStart,
    LengthBucketed,
    Metrics,
    evaluated_at_once,
    evaluation_mode,
)

# (ground truth, predictions), both NL, to a score that should rise.
SetScore = Callable[[NDArray[np.bool_], NDArray[np.bool_]], float]


class LabelSets(Protocol):
    """Describe tokenized texts and which labels each has, in memory or mapped from a file."""

    @property
    def tokens(self) -> Tokens:
        """Return the texts."""

    @property
    def label_sets_NL(self) -> NDArray[np.bool_]:
        """Return which labels each text has: NL."""


@dataclass(frozen=True)
class LabelSetTexts:
    """Hold tokenized texts and which labels each has: NL."""

    tokens: Tokens
    label_sets_NL: NDArray[np.bool_]


@dataclass
class SeveralLabelObjective(LengthBucketed):
    """Train a classifier whose labels are independent (binary cross-entropy).

    `score` gets the labels and the predicted ones, both NL, and should rise.
    """

    start: EncoderStart
    train: LabelSets
    valid: LabelSets
    batch_size: int
    score: SetScore
    seed: int

    @property
    def train_tokens(self) -> Tokens:
        """Return the texts to train on."""
        return self.train.tokens

    def build_model(self) -> nn.Module:
        """Put a classification head on the encoder, a new one or a trained one."""
        seed, labels = seed_for(self.seed, "classifier"), self.train.label_sets_NL.shape[1]
        model = Classifier(self.start.encoder(seed), labels, dropout=self.start.dropout, seed=seed)
        return self.start.with_head(model)

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
        return evaluate_label_sets(model, self.valid, self.score)


@dataclass
class SeveralLabelDistillation(LengthBucketed):
    """Train a student on the teacher's logits, where labels are independent.

    The loss is that of DistillationObjective with a Bernoulli distribution for each label in the place of one
    over all labels. The targets of a batch are the row numbers of its texts.
    """

    student: nn.Module
    teacher_NL: Tensor
    train: LabelSets
    valid: LabelSets
    batch_size: int
    temperature: float
    label_weight: float
    score: SetScore
    seed: int

    @property
    def train_tokens(self) -> Tokens:
        """Return the texts to train on."""
        return self.train.tokens

    def build_model(self) -> nn.Module:
        """Copy the student."""
        return copy.deepcopy(self.student)

    def batch(self, step: int) -> Batch:
        """Return the texts of a step and their row numbers."""
        rows = self.sampler.rows(step)
        tokens_BT, mask_BT = pad([self.train.tokens[row] for row in rows.tolist()])
        weight = float(len(rows) * self.teacher_NL.shape[1])
        return Batch(tokens_BT, mask_BT, torch.from_numpy(rows), weight=weight)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the weighted sum of the divergence from the teacher and the loss of the labels."""
        student_BL = model(batch.tokens_BT, batch.mask_BT)
        rows_B = batch.targets.cpu()
        teacher_BL = self.teacher_NL[rows_B].to(student_BL.device)
        sets_BL = torch.from_numpy(self.train.label_sets_NL)[rows_B].to(student_BL)
        soft_BL = torch.sigmoid(teacher_BL / self.temperature)
        # Of the teacher's entropy, which no gradient knows, the divergence is free.
        entropy = summed_set_loss(teacher_BL / self.temperature, soft_BL)
        divergence = (summed_set_loss(student_BL / self.temperature, soft_BL) - entropy) * self.temperature**2
        labels = summed_set_loss(student_BL, sets_BL)
        return (self.label_weight * labels + (1 - self.label_weight) * divergence) / batch.weight

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute the score, and the share of texts with exactly the right labels."""
        return evaluate_label_sets(model, self.valid, self.score)


def summed_set_loss(logits_BL: Tensor, sets_BL: Tensor) -> Tensor:
    """Return the binary cross-entropy of every label, summed over labels and texts."""
    return functional.binary_cross_entropy_with_logits(logits_BL, sets_BL.to(logits_BL), reduction="sum")


def evaluate_label_sets(model: nn.Module, valid: LabelSets, score: SetScore) -> Metrics:
    """Compute the score, and the share of texts with exactly the right labels."""
    truth = np.asarray(valid.label_sets_NL)
    predicted = np.zeros(truth.shape, dtype=np.bool_)
    with evaluation_mode(model) as device:
        for rows in evaluated_at_once(token_lengths(valid.tokens)):
            tokens_BT, mask_BT = pad([valid.tokens[row] for row in rows])
            logits_BL = model(tokens_BT.to(device), mask_BT.to(device))
            # A label is predicted from a probability of one half on.
            predicted[rows.start : rows.stop] = (logits_BL > 0).cpu().numpy()
    exact = float((predicted == truth).all(axis=1).mean())
    return {"exact": exact, "score": score(truth, predicted)}
