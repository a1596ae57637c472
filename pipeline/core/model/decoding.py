"""Logits of a head to probabilities and answers, one decoder for each task.

The predictor and the registered MLflow model use it, so it needs numpy alone.
Shapes: N texts, L labels.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.base.tasks.answers import join_labels
from pipeline.base.tasks.names import (
    ASPECT,
    GENERATION,
    MULTI_LABEL,
    ORDINAL,
    SINGLE_LABEL,
    TOKEN_LABELS,
    TaskName,
)

if TYPE_CHECKING:
    from pipeline.base.documents import ModelSettings

Table = NDArray[np.float64]
EVEN = 0.5


class Decoder(Protocol):
    """Describe how the logits of a task become answers."""

    def probabilities(self, logits_NL: Table) -> Table:
        """Return the probability of each label, from logits that are divided by the temperature."""

    def answers(self, probabilities_NL: Table) -> tuple[str, ...]:
        """Return the answer for each text."""

    def confidence(self, probabilities_NL: Table) -> Table:
        """Return the probability that decides whether an answer is uncertain; N."""


class OneOf:
    """One of the labels: the most probable one."""

    def __init__(self, settings: "ModelSettings") -> None:
        self._labels = settings["labels"]

    def probabilities(self, logits_NL: Table) -> Table:
        """Return probabilities that add up to 1."""
        return softmax(logits_NL)

    def answers(self, probabilities_NL: Table) -> tuple[str, ...]:
        """Return the most probable label of each text."""
        return tuple(self._labels[label] for label in probabilities_NL.argmax(1))

    def confidence(self, probabilities_NL: Table) -> Table:
        """Return the probability of the most probable label."""
        return np.asarray(probabilities_NL.max(1, initial=0.0))


class AnyOf:
    """Any of the labels: each by itself, from its own threshold on."""

    def __init__(self, settings: "ModelSettings") -> None:
        self._labels = settings["labels"]
        self._thresholds_L = np.array(settings.get("thresholds") or [EVEN] * len(self._labels))

    def probabilities(self, logits_NL: Table) -> Table:
        """Return the probability of each label by itself."""
        return sigmoid(logits_NL)

    def chosen(self, probabilities_NL: Table) -> NDArray[np.bool_]:
        """Return which labels each text has."""
        return np.asarray(probabilities_NL >= self._thresholds_L)

    def answers(self, probabilities_NL: Table) -> tuple[str, ...]:
        """Return the labels of each text, joined."""
        return tuple(joined(row, self._labels) for row in self.chosen(probabilities_NL))

    def confidence(self, probabilities_NL: Table) -> Table:
        """Return the probability of the least certain decision of each text, about any of its labels."""
        if not len(probabilities_NL):
            return np.zeros(0)
        chosen_NL = self.chosen(probabilities_NL)
        return np.asarray(np.where(chosen_NL, probabilities_NL, 1 - probabilities_NL).min(axis=1))


def joined(chosen_L: NDArray[np.bool_], labels: Sequence[str]) -> str:
    """Return the answer that holds the chosen labels."""
    return join_labels([labels[place] for place in np.flatnonzero(chosen_L).tolist()])


DECODERS: Mapping[TaskName, Callable[["ModelSettings"], Decoder]] = {
    SINGLE_LABEL: OneOf,
    ORDINAL: OneOf,
    MULTI_LABEL: AnyOf,
    # The tags of tokens: each token has one of them.
    TOKEN_LABELS: OneOf,
    ASPECT: OneOf,
    # The next token: one of the vocabulary.
    GENERATION: OneOf,
}


def decoder_of(settings: "ModelSettings") -> Decoder:
    """Return the decoder of a model; one whose settings name no task has one label a text."""
    return DECODERS[settings.get("task", SINGLE_LABEL)](settings)


def softmax(logits: Table) -> Table:
    """Convert logits (texts x labels) into probabilities."""
    if not len(logits):
        return logits
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def sigmoid(logits: Table) -> Table:
    """Convert logits into probabilities, each by itself."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))
