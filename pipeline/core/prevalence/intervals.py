"""Intervals of shares, and shares that sum to 1.

Legend: L labels.
"""

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def standard_errors(confidence: float) -> float:
    """Return how many standard errors the two-sided interval of a normal variable extends to either side."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def away_from_ends(share_L: Array, labels: int) -> Array:
    """Move shares away from 0 and 1 by half a text of so many."""
    margin = 0.5 / max(labels, 1)
    inner_L: Array = np.clip(share_L, margin, 1 - margin)
    return inner_L


def interval(
    share_L: Array, variance_L: Array, *, freedom: float, labels: int, confidence: float
) -> tuple[Array, Array]:
    """Compute a score interval of each share (Wilson, 1927), with the quantile of Student's t.

    It is that of a sample of the size that has this variance (the effective size: Korn and Graubard, 1998),
    so it stays within 0 and 1 and holds near them.
    """
    quantile = t_quantile((1 + confidence) / 2, freedom)
    centre_L = away_from_ends(share_L, labels)
    ratio_L = quantile**2 * np.maximum(variance_L, 1e-12) / (centre_L * (1 - centre_L))
    middle_L = (centre_L + ratio_L / 2) / (1 + ratio_L)
    half_L = np.sqrt(ratio_L * centre_L * (1 - centre_L) + ratio_L**2 / 4) / (1 + ratio_L)
    low_L: Array = np.clip(np.minimum(middle_L - half_L, share_L), 0, 1)
    high_L: Array = np.clip(np.maximum(middle_L + half_L, share_L), 0, 1)
    return low_L, high_L


@lru_cache(maxsize=1024)
def t_quantile(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t distribution."""
    # `scipy.stats` takes a second to import.
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def onto_simplex(share_L: Array) -> Array:
    """Return the nearest shares that are at least 0 and sum to 1 (Duchi et al., 2008)."""
    falling_L = np.sort(share_L)[::-1]
    excess_L = (np.cumsum(falling_L) - 1) / np.arange(1, len(share_L) + 1)
    count = int(np.flatnonzero(falling_L > excess_L)[-1])
    nearest_L: Array = np.maximum(share_L - excess_L[count], 0)
    return nearest_L
