"""What objectives share that predict words: the loss over the wanted tokens and its perplexity.

Shapes: B rows, T tokens, M wanted tokens, V vocabulary.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.train.batches import Batch, Tokens, token_lengths
from pipeline.core.train.masking import IGNORED
from pipeline.core.train.objectives.objective import (
    EncoderStart,
    LengthBucketed,
    Metrics,
    evaluated_at_once,
    evaluation_mode,
)

MAX_LOG_PERPLEXITY = 80.0  # its exponential is still a finite number


@dataclass
class WordPrediction(LengthBucketed):
    """Train a language model on the words of a text that are its targets."""

    start: EncoderStart
    train: Tokens
    valid: Tokens
    batch_size: int
    seed: int

    @property
    def train_tokens(self) -> Tokens:
        """Return the texts to train on."""
        return self.train

    @abstractmethod
    def valid_batch(self, rows: list[int]) -> Batch:
        """Return the batch of some validation texts, the same one each time."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the cross-entropy of the targets."""
        wanted_BT = batch.targets != IGNORED
        logits_MV = model(batch.tokens_BT, batch.mask_BT, wanted_BT)
        return functional.cross_entropy(logits_MV, batch.targets[wanted_BT], reduction="sum") / batch.weight

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute the perplexity of the targets in the validation texts."""
        return self.measured(model, self.valid)

    def measured(self, model: nn.Module, texts: Tokens) -> Metrics:
        """Compute the perplexity of the targets in the validation texts, whose tokens these are."""
        loss = weight = 0.0
        with evaluation_mode(model) as device:
            for rows in evaluated_at_once(token_lengths(texts)):
                batch = self.valid_batch(list(rows))
                loss += float(self.loss(model, batch.to(device))) * batch.weight
                weight += batch.weight
        return {"perplexity": perplexity(loss / weight), "score": -loss / weight}


def perplexity(loss: float) -> float:
    """Return the perplexity of a mean loss in nats."""
    return float(np.exp(min(loss, MAX_LOG_PERPLEXITY)))
