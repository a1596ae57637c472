"""What is trained, and towards what: masked words, or labels. Both are handed to the same loop.

A method makes the model, gives the batch of any step, and says the loss of a batch and how good the model is.
Shapes: B texts, T tokens, M masked tokens, L labels, V vocabulary.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.seeds import seed_for
from pipeline.core.model.encoder import build_encoder
from pipeline.core.model.heads import Classifier, MaskedWords
from pipeline.core.train.batches import Batch, LengthBucketSampler, pad
from pipeline.core.train.masking import IGNORED, WholeWordMasking

EVAL_BATCH = 128
Tokens = Sequence[Sequence[int]]
Metrics = dict[str, float]


class Objective(Protocol):
    """Say what the loop needs to know of a training."""

    seed: int

    def model(self) -> nn.Module:
        """Make the model as it is before the first step."""

    def batch(self, step: int) -> Batch:
        """Give the whole batch of one step, the same whoever asks."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Give the summed loss of a batch divided by the weight of the whole batch."""

    def judge(self, model: nn.Module) -> Metrics:
        """Measure the model on held-out texts; `score` is what should rise."""


@dataclass(frozen=True)
class EncoderStart:
    """Hold an encoder before training: its description, its weights if it has any, and its dropout."""

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor] | None
    dropout: float

    def encoder(self, seed: int) -> Any:
        """Build it; the seed matters only where weights are missing."""
        return build_encoder(self.config, dropout=self.dropout, seed=seed, weights=self.weights)


@dataclass
class MaskedWordObjective:
    """Train to guess masked words (Devlin et al., 2019); held-out texts are always masked in the same places."""

    start: EncoderStart
    masking: WholeWordMasking
    train: Tokens
    held_out: Tokens
    batch_size: int
    seed: int
    deal: LengthBucketSampler = field(init=False)

    def __post_init__(self) -> None:
        self.deal = LengthBucketSampler(
            [len(ids) for ids in self.train], batch_size=self.batch_size, seed=self.seed
        )

    def model(self) -> nn.Module:
        """Put a fresh word head on the encoder."""
        return MaskedWords(self.start.encoder(seed_for(self.seed, "encoder")))

    def batch(self, step: int) -> Batch:
        """Mask the texts of one step."""
        return self._masked([self.train[row] for row in self.deal.rows(step)], "mask", step)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Give the cross-entropy of the masked tokens."""
        masked_BT = batch.targets != IGNORED
        logits_MV = model(batch.tokens_BT, batch.mask_BT, masked_BT)
        return functional.cross_entropy(logits_MV, batch.targets[masked_BT], reduction="sum") / batch.weight

    def judge(self, model: nn.Module) -> Metrics:
        """Give the perplexity of masked words in held-out texts."""
        loss = weight = 0.0
        with evaluation_mode(model) as device:
            for start in range(0, len(self.held_out), EVAL_BATCH):
                batch = self._masked(self.held_out[start : start + EVAL_BATCH], "held-out", start)
                loss += float(self.loss(model, batch.to(device))) * batch.weight
                weight += batch.weight
        return {"perplexity": float(np.exp(min(loss / weight, 80.0))), "score": -loss / weight}

    def _masked(self, texts: Tokens, *purpose: object) -> Batch:
        tokens_BT, mask_BT = pad(texts)
        hidden_BT, targets_BT = self.masking.hide(
            tokens_BT, np.random.default_rng(seed_for(self.seed, *purpose))
        )
        return Batch(hidden_BT, mask_BT, targets_BT, weight=max(1.0, float((targets_BT != IGNORED).sum())))


@dataclass
class LabelObjective:
    """Train to give labels; a label weighs by its inverse frequency to the power of `class_weights`.

    `score(truth, guess, labels)` says how good guesses are; it is handed in, for judging is another room.
    """

    start: EncoderStart
    train: Tokens
    targets: NDArray[np.int64]
    held_out: Tokens
    held_out_targets: NDArray[np.int64]
    labels: int
    batch_size: int
    class_weights: float
    score: Callable[[NDArray[np.int64], NDArray[np.int64], int], float]
    seed: int
    deal: LengthBucketSampler = field(init=False)
    weights_L: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.deal = LengthBucketSampler(
            [len(ids) for ids in self.train], batch_size=self.batch_size, seed=self.seed
        )
        counts = np.bincount(self.targets, minlength=self.labels).clip(min=1)
        weights = (counts.mean() / counts) ** self.class_weights
        # Scaled so that a text weighs 1 on the mean: the rate keeps its meaning.
        self.weights_L = torch.as_tensor(
            weights * counts.sum() / (weights * counts).sum(), dtype=torch.float32
        )

    def model(self) -> nn.Module:
        """Put a fresh label head on the encoder."""
        seed = seed_for(self.seed, "classifier")
        return Classifier(self.start.encoder(seed), self.labels, dropout=self.start.dropout, seed=seed)

    def batch(self, step: int) -> Batch:
        """Give the texts and labels of one step."""
        rows = self.deal.rows(step)
        tokens_BT, mask_BT = pad([self.train[row] for row in rows])
        targets_B = torch.from_numpy(self.targets[rows])
        return Batch(tokens_BT, mask_BT, targets_B, weight=float(self.weights_L[targets_B].sum()))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Give the weighted cross-entropy of the labels."""
        logits_BL = model(batch.tokens_BT, batch.mask_BT)
        weights_L = self.weights_L.to(logits_BL.device)
        return (
            functional.cross_entropy(logits_BL, batch.targets, weight=weights_L, reduction="sum")
            / batch.weight
        )

    def judge(self, model: nn.Module) -> Metrics:
        """Give the score on held-out texts, and the share answered rightly."""
        guesses = predict_labels(model, self.held_out)
        score = self.score(self.held_out_targets, guesses, self.labels)
        return {"accuracy": float((guesses == self.held_out_targets).mean()), "score": score}


def predict_labels(model: nn.Module, texts: Tokens) -> NDArray[np.int64]:
    """Give the most likely label of each tokenised text, in order."""
    guesses = np.zeros(len(texts), dtype=np.int64)
    order = np.argsort([len(ids) for ids in texts], kind="stable")
    with evaluation_mode(model) as device:
        for start in range(0, len(order), EVAL_BATCH):
            rows = order[start : start + EVAL_BATCH]
            tokens_BT, mask_BT = pad([texts[row] for row in rows])
            guesses[rows] = model(tokens_BT.to(device), mask_BT.to(device)).argmax(1).cpu().numpy()
    return guesses


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[torch.device]:
    """Hold a model still, without dropout and gradients; give the device it stands on."""
    model.eval()
    with torch.inference_mode():
        yield next(model.parameters()).device
    model.train()
