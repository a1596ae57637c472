"""How surprising a value is, among those that chance gave.

Common values are counted. The extreme ones lie too thin for that; there the chance falls exponentially, as fast as it does in the tail
that they end (Knijnenburg, Wessels, Reinders and Shmulevich, 2009). Legend: B values.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.core.monitor.detectors import Array

EXTREME, TAIL = 0.01, 0.05  # of the values
LEAST = 1e-9  # no chance is said to be smaller


@dataclass(frozen=True)
class NullDistribution:
    """Hold values that chance gave, in rising order, and how fast they thin out beyond the extreme ones."""

    values_B: Array
    extreme: float
    slope: float

    @classmethod
    def of(cls, values_B: Array) -> "NullDistribution":
        """Fit an exponential tail (Knijnenburg et al., 2009): its slope is the mean excess of the values in it."""
        ordered_B = np.sort(values_B)
        start = ordered_B[-_count(TAIL, ordered_B)]
        excess = float((ordered_B[ordered_B >= start] - start).mean())
        return cls(ordered_B, float(ordered_B[-_count(EXTREME, ordered_B)]), max(excess, 1e-12))

    def chance(self, values: Array) -> Array:
        """Give the chance of a value at least as large."""
        share = _count(EXTREME, self.values_B) / len(self.values_B)
        thin = share * np.exp(np.minimum(0, -(values - self.extreme) / self.slope))
        return np.maximum(np.where(values <= self.extreme, self.counted(values), thin), LEAST)

    def counted(self, values: Array) -> Array:
        """Give the share of values that are at least as large."""
        return np.asarray(1 - np.searchsorted(self.values_B, values, side="left") / len(self.values_B))

    def score(self, values: Array) -> Array:
        """Give how surprising values are: minus the logarithm of their chance; steps of few values are counted as they are."""
        return np.asarray(-np.log(np.maximum(self.chance(values), self.counted(values))))

    def reached(self, chance: float) -> float:
        """Find the value that is reached with this chance."""
        many = len(self.values_B)
        share = _count(EXTREME, self.values_B) / many
        if chance < share:
            return self.extreme - self.slope * float(np.log(chance / share))
        return float(self.values_B[max(0, many - int(chance * many))])


def _count(share: float, values_B: Array) -> int:
    return max(1, round(share * len(values_B)))
