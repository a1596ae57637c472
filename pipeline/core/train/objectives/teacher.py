"""Distillation: a student learns from the logits of a teacher and from the labels (Hinton et al., 2015).

Shapes: N training texts, B texts, L labels.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.train.batches import Batch, Tokens, pad
from pipeline.core.train.objectives.labels import LabelObjective, evaluate_labels, summed_cross_entropy
from pipeline.core.train.objectives.objective import LabelledTexts, LengthBucketed, Metrics, ScoreFunction


def teacher_logits(logits_NL: NDArray[np.float64]) -> Tensor:
    """Return the logits of a teacher as an objective holds them."""
    return torch.from_numpy(logits_NL).float()


@dataclass
class DistillationObjective(LengthBucketed):
    """Train a student, given as it is before the first step, on the teacher's logits of the training texts.

    `label_weight` is the share of the cross-entropy of the labels in the loss; the rest is the divergence
    from the teacher at `temperature`, times its square, so that the gradient keeps its size. The targets of a
    batch are the row numbers of its texts.
    """

    student: nn.Module
    teacher_NL: Tensor
    train: LabelledTexts
    valid: LabelledTexts
    batch_size: int
    temperature: float
    label_weight: float
    score: ScoreFunction
    seed: int

    def __post_init__(self) -> None:
        assert len(self.teacher_NL) == len(self.train.tokens) == len(self.train.labels)

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
        return Batch(tokens_BT, mask_BT, torch.from_numpy(rows), weight=float(len(rows)))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the weighted sum of the divergence from the teacher and the cross-entropy of the labels."""
        student_BL = model(batch.tokens_BT, batch.mask_BT)
        rows_B = batch.targets.cpu()
        teacher_BL = self.teacher_NL[rows_B].to(student_BL.device)
        student_log_BL, teacher_log_BL = (
            functional.log_softmax(logits_BL / self.temperature, dim=1)
            for logits_BL in (student_BL, teacher_BL)
        )
        divergence = functional.kl_div(student_log_BL, teacher_log_BL, reduction="sum", log_target=True)
        divergence = divergence * self.temperature**2
        labels = self.labels_loss(student_BL, rows_B) if self.label_weight else 0.0
        return (self.label_weight * labels + (1 - self.label_weight) * divergence) / batch.weight

    def labels_loss(self, logits_BL: Tensor, rows_B: Tensor) -> Tensor:
        """Return the cross-entropy of the labels of some texts, summed."""
        return summed_cross_entropy(
            logits_BL, torch.from_numpy(self.train.labels)[rows_B].to(logits_BL.device)
        )

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute score and accuracy on the validation texts."""
        return evaluate_labels(model, self.valid, self.score, labels=self.teacher_NL.shape[1])


@dataclass
class TaughtObjective(DistillationObjective):
    """Train a student on a teacher of the texts of another objective, and on the targets of that one.

    So soft targets, weights of labels, smoothing and metrics are those that params.yaml asks for.
    """

    taught: LabelObjective

    def labels_loss(self, logits_BL: Tensor, rows_B: Tensor) -> Tensor:
        """Return the loss of the targets of some texts, summed."""
        return self.taught.cross_entropy(logits_BL, self.taught.targets[rows_B].to(logits_BL.device))

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute the metrics of the other objective on the validation texts."""
        return self.taught.evaluate(model)
