"""The texts of a topic in a window, as sums of what the model says of them.

Legend: L labels.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.core.prevalence.intervals import Array


@dataclass(frozen=True)
class TopicTexts:
    """The texts of a topic in a window: how often each label was predicted, and sums of its probability.

    `square_sums_L` sums the squared probabilities; `independent` is how many texts without a copy would vary
    as much.
    """

    counts_L: Array
    sums_L: Array
    square_sums_L: Array
    independent: float

    @property
    def texts(self) -> float:
        """Return the number of texts."""
        return float(self.counts_L.sum())

    @property
    def raw_L(self) -> Array:
        """Return the share of predictions of each label."""
        raw_L: Array = self.counts_L / self.texts
        return raw_L

    @property
    def raw_noise_L(self) -> Array:
        """Return the standard error of the raw share, were the texts drawn anew."""
        noise_L: Array = np.sqrt(self.raw_L * (1 - self.raw_L) / self.independent)
        return noise_L

    @property
    def mean_L(self) -> Array:
        """Return the mean probability of each label."""
        mean_L: Array = self.sums_L / self.texts
        return mean_L

    @property
    def noise_L(self) -> Array:
        """Return the standard error of the mean probability, were the texts drawn anew."""
        variance_L = np.maximum(self.square_sums_L / self.texts - self.mean_L**2, 0)
        noise_L: Array = np.sqrt(variance_L / self.independent)
        return noise_L

    def __add__(self, other: "TopicTexts") -> "TopicTexts":
        """Return the texts of both."""
        return TopicTexts(
            self.counts_L + other.counts_L,
            self.sums_L + other.sums_L,
            self.square_sums_L + other.square_sums_L,
            self.independent + other.independent,
        )


def total(parts: Iterable[TopicTexts]) -> TopicTexts:
    """Return the texts of all parts, of which there is at least one."""
    first, *others = parts
    for other in others:
        first = first + other
    return first
