"""Distillation: a smaller model learns the answers of a larger one, beside the truth (Hinton et al., 2015).

Shapes: N training texts, B texts, L labels.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.train.batches import Batch, LengthBucketSampler, pad
from pipeline.core.train.objectives import Metrics, Tokens, predict_labels


@dataclass
class DistillationObjective:
    """Train a student, given as it is before the first step, towards the teacher's logits, which were taken once.

    Of the loss `label_weight` is the cross-entropy of the truth; the rest the divergence from the teacher's answer at
    `temperature`, times its square, so that the gradient keeps its size. A batch's targets are the numbers of its texts.
    """

    student: nn.Module
    teacher_NL: Tensor
    train: Tokens
    targets: NDArray[np.int64]
    held_out: Tokens
    held_out_targets: NDArray[np.int64]
    batch_size: int
    temperature: float
    label_weight: float
    score: Callable[[NDArray[np.int64], NDArray[np.int64], int], float]
    seed: int
    deal: LengthBucketSampler = field(init=False)

    def __post_init__(self) -> None:
        assert len(self.teacher_NL) == len(self.train) == len(self.targets)
        self.deal = LengthBucketSampler(
            [len(ids) for ids in self.train], batch_size=self.batch_size, seed=self.seed
        )

    def model(self) -> nn.Module:
        """Give a student that nobody else trains."""
        return copy.deepcopy(self.student)

    def batch(self, step: int) -> Batch:
        """Give the texts of one step and their numbers."""
        rows = self.deal.rows(step)
        return Batch(*pad([self.train[row] for row in rows]), torch.from_numpy(rows), weight=float(len(rows)))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Give the divergence from the teacher, and the cross-entropy of the truth."""
        logits_BL = model(batch.tokens_BT, batch.mask_BT)
        rows_B = batch.targets.cpu()
        teacher_BL, truth_B = (
            self.teacher_NL[rows_B].to(logits_BL.device),
            torch.from_numpy(self.targets)[rows_B].to(logits_BL.device),
        )
        soft_BL, wanted_BL = (
            functional.log_softmax(one / self.temperature, dim=1) for one in (logits_BL, teacher_BL)
        )
        divergence = (
            functional.kl_div(soft_BL, wanted_BL, reduction="sum", log_target=True) * self.temperature**2
        )
        surprise = functional.cross_entropy(logits_BL, truth_B, reduction="sum")
        return (self.label_weight * surprise + (1 - self.label_weight) * divergence) / batch.weight

    def judge(self, model: nn.Module) -> Metrics:
        """Give the score on held-out texts, and the share answered rightly."""
        guesses = predict_labels(model, self.held_out)
        score = self.score(self.held_out_targets, guesses, self.teacher_NL.shape[1])
        return {"accuracy": float((guesses == self.held_out_targets).mean()), "score": score}
