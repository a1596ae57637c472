"""Labels: one of them for each text.

Shapes: N texts, B texts of a batch, T tokens, L labels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.seeds import seed_for
from pipeline.core.model.heads import Classifier
from pipeline.core.train.batches import Batch, Tokens, pad, token_lengths
from pipeline.core.train.objectives.objective import (
    EVAL_BATCH,
    EncoderStart,
    LabelledTexts,
    Labels,
    LengthBucketed,
    Metrics,
    ScoreFunction,
    evaluation_mode,
)


@dataclass(frozen=True)
class LabelledTokens:
    """Hold tokenized texts and the label of each in memory."""

    tokens: Tokens
    labels: Labels


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

    def build_model(self) -> nn.Module:
        """Put a new classification head on the encoder."""
        seed = seed_for(self.seed, "classifier")
        return Classifier(self.start.encoder(seed), self.labels, dropout=self.start.dropout, seed=seed)

    def batch(self, step: int) -> Batch:
        """Return the texts and labels of a step."""
        rows = self.sampler.rows(step)
        tokens_BT, mask_BT = pad([self.train.tokens[row] for row in rows.tolist()])
        labels_B = torch.from_numpy(self.train.labels[rows])
        return Batch(tokens_BT, mask_BT, labels_B, weight=float(self.weights_L[labels_B].sum()))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the weighted cross-entropy of the labels."""
        logits_BL = model(batch.tokens_BT, batch.mask_BT)
        weights_L = self.weights_L.to(logits_BL.device)
        loss = functional.cross_entropy(logits_BL, batch.targets, weight=weights_L, reduction="sum")
        return loss / batch.weight

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute score and accuracy on the validation texts."""
        return evaluate_labels(model, self.valid, self.score, labels=self.labels)


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
    predicted = np.zeros(len(texts), dtype=np.int64)
    order = np.argsort(token_lengths(texts), kind="stable")
    with evaluation_mode(model) as device:
        for start in range(0, len(order), EVAL_BATCH):
            rows = order[start : start + EVAL_BATCH]
            tokens_BT, mask_BT = pad([texts[row] for row in rows.tolist()])
            predicted[rows] = model(tokens_BT.to(device), mask_BT.to(device)).argmax(1).cpu().numpy()
    return predicted
