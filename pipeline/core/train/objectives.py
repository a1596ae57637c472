"""Training objectives for the one training loop: masked words, and labels.

An objective builds the model, returns the batch of any step and its loss, and evaluates the model.
Shapes: B texts, T tokens, M masked tokens, L labels, V vocabulary.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.seeds import seed_for
from pipeline.core.model.encoder import build_encoder
from pipeline.core.model.heads import Classifier, MaskedLanguageModel
from pipeline.core.train.batches import Batch, LengthBucketSampler, pad
from pipeline.core.train.masking import IGNORED, WholeWordMasking

if TYPE_CHECKING:
    from pipeline.core.model.encoder import Encoder

EVAL_BATCH = 128
Tokens = Sequence[Sequence[int]]
Labels = NDArray[np.int64]
Metrics = dict[str, float]
# (ground truth, predicted labels, number of labels) to a score that should rise.
ScoreFunction = Callable[[Labels, Labels, int], float]


class Objective(Protocol):
    """Describe what the training loop needs of an objective."""

    seed: int

    def build_model(self) -> nn.Module:
        """Build the model as it is before the first step."""

    def batch(self, step: int) -> Batch:
        """Return the full batch of a step; it depends on the step and the seed alone."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the summed loss of a batch divided by the weight of the full batch."""

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute metrics on the validation texts; training maximizes `score`."""


@dataclass(frozen=True)
class EncoderStart:
    """Hold an encoder before training: its config, its weights (None: random ones), and its dropout.

    `word_head` holds the weights of a published word head, by the names of MaskedLanguageModel.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor] | None
    dropout: float
    word_head: Mapping[str, Tensor] | None = None

    def encoder(self, seed: int) -> "Encoder":
        """Build the encoder; `seed` determines random weights."""
        return build_encoder(self.config, dropout=self.dropout, seed=seed, weights=self.weights)


@dataclass(frozen=True)
class LabelledTokens:
    """Hold tokenized texts and the label of each."""

    tokens: Tokens
    labels: Labels


@dataclass
class MaskedWordObjective:
    """Train a masked language model (Devlin et al., 2019); the masks of validation texts are fixed."""

    start: EncoderStart
    masking: WholeWordMasking
    train: Tokens
    valid: Tokens
    batch_size: int
    seed: int
    sampler: LengthBucketSampler = field(init=False)

    def __post_init__(self) -> None:
        self.sampler = LengthBucketSampler(
            list(map(len, self.train)), batch_size=self.batch_size, seed=self.seed
        )

    def build_model(self) -> nn.Module:
        """Put an output layer on the encoder, the published one where there is one."""
        return MaskedLanguageModel(self.start.encoder(seed_for(self.seed, "encoder")), self.start.word_head)

    def batch(self, step: int) -> Batch:
        """Return the masked texts of a step."""
        return self._masked([self.train[row] for row in self.sampler.rows(step)], "mask", step)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the cross-entropy of the masked tokens."""
        masked_BT = batch.targets != IGNORED
        logits_MV = model(batch.tokens_BT, batch.mask_BT, masked_BT)
        return functional.cross_entropy(logits_MV, batch.targets[masked_BT], reduction="sum") / batch.weight

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute the perplexity of masked words in the validation texts."""
        loss = weight = 0.0
        with evaluation_mode(model) as device:
            for start in range(0, len(self.valid), EVAL_BATCH):
                batch = self._masked(self.valid[start : start + EVAL_BATCH], "held-out", start)
                loss += float(self.loss(model, batch.to(device))) * batch.weight
                weight += batch.weight
        return {"perplexity": float(np.exp(min(loss / weight, 80.0))), "score": -loss / weight}

    def _masked(self, texts: Tokens, purpose: str, number: int) -> Batch:
        tokens_BT, mask_BT = pad(texts)
        generator = np.random.default_rng(seed_for(self.seed, purpose, number))
        masked_BT, targets_BT = self.masking.mask(tokens_BT, generator)
        return Batch(masked_BT, mask_BT, targets_BT, weight=max(1.0, float((targets_BT != IGNORED).sum())))


@dataclass
class LabelObjective:
    """Train a classifier; a label weighs by its inverse frequency to the power of `class_weights`."""

    start: EncoderStart
    train: LabelledTokens
    valid: LabelledTokens
    labels: int
    batch_size: int
    class_weights: float
    score: ScoreFunction
    seed: int
    sampler: LengthBucketSampler = field(init=False)
    weights_L: Tensor = field(init=False)

    def __post_init__(self) -> None:
        lengths = list(map(len, self.train.tokens))
        self.sampler = LengthBucketSampler(lengths, batch_size=self.batch_size, seed=self.seed)
        counts = np.bincount(self.train.labels, minlength=self.labels).clip(min=1)
        weights = (counts.mean() / counts) ** self.class_weights
        # The mean weight of a text is 1, so the learning rate keeps its meaning.
        self.weights_L = torch.as_tensor(
            weights * counts.sum() / (weights * counts).sum(), dtype=torch.float32
        )

    def build_model(self) -> nn.Module:
        """Put a new classification head on the encoder."""
        seed = seed_for(self.seed, "classifier")
        return Classifier(self.start.encoder(seed), self.labels, dropout=self.start.dropout, seed=seed)

    def batch(self, step: int) -> Batch:
        """Return the texts and labels of a step."""
        rows = self.sampler.rows(step)
        tokens_BT, mask_BT = pad([self.train.tokens[row] for row in rows])
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


def evaluate_labels(model: nn.Module, valid: LabelledTokens, score: ScoreFunction, *, labels: int) -> Metrics:
    """Compute score and accuracy of a classifier on labelled texts."""
    predicted = predict_labels(model, valid.tokens)
    accuracy = float((predicted == valid.labels).mean())
    return {"accuracy": accuracy, "score": score(valid.labels, predicted, labels)}


def predict_labels(model: nn.Module, texts: Tokens) -> Labels:
    """Return the most probable label of each tokenized text, in order."""
    predicted = np.zeros(len(texts), dtype=np.int64)
    order = np.argsort([len(ids) for ids in texts], kind="stable")
    with evaluation_mode(model) as device:
        for start in range(0, len(order), EVAL_BATCH):
            rows = order[start : start + EVAL_BATCH]
            tokens_BT, mask_BT = pad([texts[row] for row in rows])
            predicted[rows] = model(tokens_BT.to(device), mask_BT.to(device)).argmax(1).cpu().numpy()
    return predicted


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[torch.device]:
    """Turn dropout and gradients off, and yield the device of the model."""
    model.eval()
    with torch.inference_mode():
        yield next(model.parameters()).device
    model.train()
