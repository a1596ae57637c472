"""Significance tests, their adjustment for many tests, and what they can detect."""

import math
from collections.abc import Sequence
from statistics import NormalDist


def mcnemar(only_candidate: int, only_champion: int) -> float:
    """Compute the exact two-sided p-value of texts that only one model gets right (McNemar, 1947)."""
    # `scipy.stats.binomtest` gives the same, and takes a second to import.
    from scipy.special import bdtr

    differing = only_candidate + only_champion
    return min(1.0, 2 * float(bdtr(min(only_candidate, only_champion), differing, 0.5))) if differing else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the family-wise error rate is that of a single test (Holm, 1979)."""
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def minimum_detectable(spread: float, texts: int, *, alpha: float, power: float) -> float:
    """Estimate the smallest difference that a one-sided test at `alpha` detects with this power.

    `spread` is the standard deviation of the resampled differences. It may be 0; a gain that breaks no
    prediction still has the spread of a count, which bounds the result from below.
    """
    reach = NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(power)
    return max(reach * spread, reach**2 / texts)


def smallest_p(groups: int) -> float:
    """Return the smallest one-sided p-value of a sign-flip test with this many differing groups.

    A bootstrap returns smaller ones when hardly any group differs, because it draws only from observed
    groups.
    """
    return math.ldexp(1.0, -min(groups, 1000))
