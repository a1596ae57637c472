"""What the training loop needs of an objective, and what all objectives share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.base.config import FinetuneConfig
from pipeline.base.errors import Fault
from pipeline.core.methods.trained_weights import choose_weights
from pipeline.core.model.encoder import build_encoder
from pipeline.core.train.batches import Batch, LengthBucketSampler, Tokens, token_lengths

if TYPE_CHECKING:
    from pipeline.core.model.encoder import Encoder

# What is evaluated at once: a language model computes a number for each token and word of its vocabulary.
EVAL_TEXTS, EVAL_TOKENS = 128, 8192
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

    def texts(self, step: int) -> Sequence[Sequence[int]]:
        """Return the row numbers of the texts in each row of the batch of a step."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the summed loss of a batch divided by the weight of the full batch."""

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute metrics on the validation texts; training maximizes `score`."""


class LabelledTexts(Protocol):
    """Describe tokenized texts and the label of each, in memory or mapped from a file."""

    @property
    def tokens(self) -> Tokens:
        """Return the texts."""

    @property
    def labels(self) -> Labels:
        """Return the label of each text."""


@dataclass(frozen=True)
class EncoderStart:
    """Hold an encoder before training: its config, its weights (None: random ones), and its dropout.

    `word_head` holds the weights of a published word head, by the names of MaskedLanguageModel. `method` says
    which weights are trained; None: all. `head` holds the weights of the head of a trained classifier, which
    training goes on with; None: a new one.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor] | None
    dropout: float
    word_head: Mapping[str, Tensor] | None = None
    method: FinetuneConfig | None = None
    head: Mapping[str, Tensor] | None = None

    def encoder(self, seed: int) -> "Encoder":
        """Build the encoder with the adapters of the method; `seed` determines random weights."""
        encoder = build_encoder(self.config, dropout=self.dropout, seed=seed, weights=self.weights)
        if self.method:
            choose_weights(encoder, self.method, seed=seed)
        return encoder

    def with_head(self, model: nn.Module) -> nn.Module:
        """Return a classifier on this encoder, with the trained head where there is one.

        Raises Fault for a trained head that is not the one of this classifier.
        """
        if self.head is None:
            return model
        head = {f"head.{name}": value for name, value in self.head.items()}
        own = model.state_dict()
        asked = {name: tuple(value.shape) for name, value in own.items() if name.startswith("head.")}
        if asked != (shapes := {name: tuple(value.shape) for name, value in head.items()}):
            raise Fault(f"The trained head does not fit the classifier: it has {shapes}, not {asked}.")
        model.load_state_dict(head, strict=False)
        return model


class LengthBucketed(ABC):
    """Sample texts of similar length; travel to a worker as the fields alone, computed anew there."""

    batch_size: int
    seed: int

    @property
    @abstractmethod
    def train_tokens(self) -> Tokens:
        """Return the texts to train on."""

    @cached_property
    def sampler(self) -> LengthBucketSampler:
        """Return the sampler of the texts of each step."""
        return LengthBucketSampler(
            token_lengths(self.train_tokens), batch_size=self.batch_size, seed=self.seed
        )

    def texts(self, step: int) -> Sequence[Sequence[int]]:
        """Return the row number of each text of a step."""
        return [[row] for row in self.sampler.rows(step).tolist()]

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.init}  # type: ignore[arg-type]


def evaluated_at_once(lengths: Sequence[int] | NDArray[np.int64]) -> Iterator[range]:
    """Yield the rows of texts of these lengths, in their order: padded, they have EVAL_TOKENS at most."""
    start = longest = 0
    for row, length in enumerate(lengths):
        longest = max(longest, int(length))
        if row > start and (row - start == EVAL_TEXTS or longest * (row - start + 1) > EVAL_TOKENS):
            yield range(start, row)
            start, longest = row, int(length)
    if start < len(lengths):
        yield range(start, len(lengths))


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[torch.device]:
    """Turn dropout and gradients off, and yield the device of the model."""
    model.eval()
    with torch.inference_mode():
        yield next(model.parameters()).device
    model.train()


@contextmanager
def watched_outputs(model: nn.Module) -> Iterator[list[bool]]:
    """Yield a list that gets, of each pass of a model within, whether all that it computed is finite."""
    finite: list[bool] = []

    def look(_model: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        parts = output if isinstance(output, tuple) else (output,)
        finite.append(all(bool(torch.isfinite(part).all()) for part in parts))

    hook = model.register_forward_hook(look)
    try:
        yield finite
    finally:
        hook.remove()
