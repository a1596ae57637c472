"""Significance tests, their adjustment for many tests, and what they can detect."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


def mcnemar(only_candidate: int, only_champion: int) -> float:
    """Compute the exact two-sided p-value of texts that only one model gets right (McNemar, 1947)."""
    # `scipy.stats.binomtest` gives the same, and takes a second to import.
    from scipy.special import bdtr

    differing = only_candidate + only_champion
    return min(1.0, 2 * float(bdtr(min(only_candidate, only_champion), differing, 0.5))) if differing else 1.0


def max_t(statistics_K: Sequence[float], resampled_BK: NDArray[np.float64]) -> list[float]:
    """Adjust one-sided p-values of K statistics so that the family-wise error rate is that of a single test.

    Small statistics are significant; `resampled_BK` holds their joint distribution where nothing is there.
    The step-down max-T of Westfall and Young (1993): unlike Bonferroni it knows how alike the tests are.
    """
    order = np.argsort(statistics_K)
    smallest_BK = np.minimum.accumulate(resampled_BK[:, order[::-1]], axis=1)[:, ::-1]
    as_small_K = (smallest_BK <= np.asarray(statistics_K)[order]).sum(axis=0)
    adjusted_K = np.maximum.accumulate((1 + as_small_K) / (1 + len(resampled_BK)))
    return adjusted_K[np.argsort(order)].tolist()  # type: ignore[no-any-return]


def lower_bound(estimate: float, standard_error: float, *, groups: int, level: float) -> float:
    """Return the one-sided lower bound of a difference that fails with probability `level`.

    By Student's t with one degree of freedom less than the `groups` that differ. Resampled quantiles would
    need tens of thousands of draws at the small levels of a budget of looks.
    """
    from scipy.special import stdtrit

    if level <= 0:
        return -math.inf
    bound = estimate - float(stdtrit(max(1, groups - 1), 1 - level)) * standard_error
    # With so few differing groups, swapping the models' names at random may give the same difference.
    return min(bound, 0.0) if smallest_p(groups) > level else bound


def share_interval(count: int, total: int, *, confidence: float) -> tuple[float, float]:
    """Return the exact two-sided interval of a share (Clopper and Pearson, 1934); 0 to 1 without cases."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


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
