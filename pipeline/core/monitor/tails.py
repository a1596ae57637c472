"""P-values of a statistic from a sample of its null distribution.

Common values are counted. Extreme values are too few to count; their p-value falls exponentially, at the rate
seen in the tail (Knijnenburg, Wessels, Reinders and Shmulevich, 2009). Legend: B values.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.core.monitor.embedding_map import Array

EXTREME, TAIL = 0.01, 0.05  # of the values
MIN_P = 1e-9


@dataclass(frozen=True)
class NullDistribution:
    """Values of a statistic under no drift, in rising order, and the exponential tail beyond them."""

    values_B: Array
    extreme: float
    slope: float

    @classmethod
    def of(cls, values_B: Array) -> "NullDistribution":
        """Fit an exponential tail; its slope is the mean excess of its values (Knijnenburg, 2009)."""
        ordered_B = np.sort(values_B)
        start = ordered_B[-_count(TAIL, ordered_B)]
        excess = float((ordered_B[ordered_B >= start] - start).mean())
        return cls(ordered_B, float(ordered_B[-_count(EXTREME, ordered_B)]), max(excess, 1e-12))

    def p_value(self, values: Array) -> Array:
        """Compute the probability of a value at least as large, at least MIN_P."""
        share = _count(EXTREME, self.values_B) / len(self.values_B)
        tail = share * np.exp(np.minimum(0, -(values - self.extreme) / self.slope))
        return np.maximum(np.where(values <= self.extreme, self.exceedance(values), tail), MIN_P)

    def exceedance(self, values: Array) -> Array:
        """Compute the share of the sample that is at least as large."""
        return np.asarray(1 - np.searchsorted(self.values_B, values, side="left") / len(self.values_B))

    def surprise(self, values: Array) -> Array:
        """Compute minus the logarithm of the p-value; steps that few values take are counted as they are."""
        return np.asarray(-np.log(np.maximum(self.p_value(values), self.exceedance(values))))

    def quantile(self, p: float) -> float:
        """Find the value whose p-value is `p`."""
        size = len(self.values_B)
        share = _count(EXTREME, self.values_B) / size
        if p < share:
            return self.extreme - self.slope * float(np.log(p / share))
        return float(self.values_B[max(0, size - int(p * size))])


def _count(share: float, values_B: Array) -> int:
    return max(1, round(share * len(values_B)))
