"""What objectives share that predict words: the loss over the wanted tokens and its perplexity.

Shapes: B rows, T tokens, M wanted tokens, V vocabulary.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.train.batches import Batch, Tokens
from pipeline.core.train.masking import IGNORED
from pipeline.core.train.objectives.objective import (
    EVAL_BATCH,
    EncoderStart,
    LengthBucketed,
    Metrics,
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
        return self.measured(model, len(self.valid))

    def measured(self, model: nn.Module, texts: int) -> Metrics:
        """Compute the perplexity of the targets in so many validation texts."""
        loss = weight = 0.0
        with evaluation_mode(model) as device:
            for start in range(0, texts, EVAL_BATCH):
                batch = self.valid_batch(list(range(start, min(start + EVAL_BATCH, texts))))
                loss += float(self.loss(model, batch.to(device))) * batch.weight
                weight += batch.weight
        return {"perplexity": perplexity(loss / weight), "score": -loss / weight}


def perplexity(loss: float) -> float:
    """Return the perplexity of a mean loss in nats."""
    return float(np.exp(min(loss, MAX_LOG_PERPLEXITY)))
