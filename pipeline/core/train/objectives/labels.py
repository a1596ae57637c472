"""Labels: one of them for each text.

Shapes: N texts, B texts of a batch, T tokens, L labels.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.seeds import seed_for
from pipeline.core.model.heads import Classifier
from pipeline.core.train.batches import Batch, Tokens, pad, token_lengths
from pipeline.core.train.objectives.objective import (
    EncoderStart,
    LabelledTexts,
    Labels,
    LengthBucketed,
    Metrics,
    ScoreFunction,
    evaluated_at_once,
    evaluation_mode,
)


@dataclass(frozen=True)
class LabelledTokens:
    """Hold tokenized texts and the label of each in memory."""

    tokens: Tokens
    labels: Labels


@dataclass(frozen=True)
class LossOptions:
    """Set the share of a label's probability that all labels get, and the weight of two passes' divergence.

    Smoothing: Szegedy et al., 2016. `r_drop`: R-Drop (Liang et al., 2021).
    """

    smoothing: float = 0.0
    r_drop: float = 0.0


PLAIN_LOSS = LossOptions()


@dataclass
class LabelObjective(LengthBucketed):
    """Train a classifier; a label weighs by its inverse frequency to the power of `class_weights`."""

    start: EncoderStart
    train: LabelledTexts
    valid: LabelledTexts
    labels: int
    batch_size: int
    class_weights: float
    score: ScoreFunction
    seed: int
    options: LossOptions = field(default=PLAIN_LOSS, kw_only=True)

    @property
    def train_tokens(self) -> Tokens:
        """Return the texts to train on."""
        return self.train.tokens

    @cached_property
    def weights_L(self) -> Tensor:
        """Return the weight of each label."""
        counts = np.bincount(self.train.labels, minlength=self.labels).clip(min=1)
        weights = (counts.mean() / counts) ** self.class_weights
        # The mean weight of a text is 1, so the learning rate keeps its meaning.
        return torch.as_tensor(weights * counts.sum() / (weights * counts).sum(), dtype=torch.float32)

    @property
    def targets(self) -> Tensor:
        """Return what is learnt of each training text."""
        return torch.from_numpy(self.train.labels)

    def build_model(self) -> nn.Module:
        """Put a classification head on the encoder, a new one or a trained one."""
        seed = seed_for(self.seed, "classifier")
        model = Classifier(self.start.encoder(seed), self.labels, dropout=self.start.dropout, seed=seed)
        return self.start.with_head(model)

    def batch(self, step: int) -> Batch:
        """Return the texts and labels of a step."""
        rows = self.sampler.rows(step)
        tokens_BT, mask_BT = pad([self.train.tokens[row] for row in rows.tolist()])
        labels_B = torch.from_numpy(self.train.labels[rows])
        return Batch(tokens_BT, mask_BT, labels_B, weight=float(self.weights_L[labels_B].sum()))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the weighted cross-entropy; with R-Drop its mean over two passes, and their divergence."""
        if not self.options.r_drop:
            return self.cross_entropy(model(batch.tokens_BT, batch.mask_BT), batch.targets) / batch.weight
        # One forward pass of both: dropout draws anew for each row.
        twice = model(batch.tokens_BT.repeat(2, 1), batch.mask_BT.repeat(2, 1))
        first_BL, second_BL = twice.chunk(2)
        entropy = self.cross_entropy(first_BL, batch.targets) + self.cross_entropy(second_BL, batch.targets)
        # A text has weight 1 on average, so the weight of the batch divides its divergence too.
        return (entropy / 2 + self.options.r_drop * divergence(first_BL, second_BL)) / batch.weight

    def cross_entropy(self, logits_BL: Tensor, targets: Tensor) -> Tensor:
        """Return the sum of the weighted cross-entropy of the labels."""
        return functional.cross_entropy(
            logits_BL,
            targets,
            weight=self.weights_L.to(logits_BL.device),
            reduction="sum",
            label_smoothing=self.options.smoothing,
        )

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute score and accuracy on the validation texts."""
        return evaluate_labels(model, self.valid, self.score, labels=self.labels)


def divergence(first_BL: Tensor, second_BL: Tensor) -> Tensor:
    """Return the sum of the mean of both Kullback-Leibler divergences of two predictions of each text."""
    first_BL, second_BL = (functional.log_softmax(logits, dim=1) for logits in (first_BL, second_BL))
    return ((first_BL.exp() - second_BL.exp()) * (first_BL - second_BL)).sum() / 2


def summed_cross_entropy(logits_BL: Tensor, labels_B: Tensor) -> Tensor:
    """Return the cross-entropy of labels, summed over the texts."""
    return functional.cross_entropy(logits_BL, labels_B, reduction="sum")


def evaluate_labels(model: nn.Module, valid: LabelledTexts, score: ScoreFunction, *, labels: int) -> Metrics:
    """Compute score and accuracy of a classifier on labelled texts."""
    predicted = predict_labels(model, valid.tokens)
    accuracy = float((predicted == valid.labels).mean())
    return {"accuracy": accuracy, "score": score(valid.labels, predicted, labels)}


def predict_labels(model: nn.Module, texts: Tokens) -> Labels:
    """Return the most probable label of each tokenized text, in order."""
    return predict_outputs(model, texts).argmax(1).numpy()


def predict_outputs(model: nn.Module, texts: Tokens) -> Tensor:
    """Return what a model computes of each tokenized text, in order: the logits of a classifier."""
    lengths = token_lengths(texts)
    order = np.argsort(lengths, kind="stable")
    outputs = []
    with evaluation_mode(model) as device:
        for rows in evaluated_at_once(lengths[order]):
            tokens_BT, mask_BT = pad([texts[row] for row in order[rows.start : rows.stop].tolist()])
            outputs.append(model(tokens_BT.to(device), mask_BT.to(device)).cpu())
    return torch.cat(outputs)[torch.from_numpy(np.argsort(order))].clone()
