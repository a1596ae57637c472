"""How surely a difference is more than chance."""

import math
from collections.abc import Sequence
from statistics import NormalDist


def mcnemar(only_candidate: int, only_champion: int) -> float:
    """Test whether one model is right more often than the other, by the texts only one of them gets right (McNemar, 1947).

    Exact and two-sided; 1 when there is no such text.
    """
    # `scipy.stats.binomtest` gives the same, and takes a second to import.
    from scipy.special import bdtr

    differing = only_candidate + only_champion
    return min(1.0, 2 * float(bdtr(min(only_candidate, only_champion), differing, 0.5))) if differing else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that all of them together mislead no more often than one alone (Holm, 1979)."""
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def minimum_detectable(spread: float, texts: int, *, alpha: float, power: float) -> float:
    """Estimate the smallest difference that a one-sided test at `alpha` shows with this power.

    `spread` is the standard deviation of the resampled differences. However alike the answers are, a change of few texts cannot
    show: a gain that breaks none has the spread of a count, which sets the least.
    """
    reach = NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(power)
    return max(reach * spread, reach**2 / texts)


def smallest_p(groups: int) -> float:
    """Give the smallest one-sided p-value that so many differing groups allow, when the models' names in each are swapped at random.

    A bootstrap claims more than that when hardly any group differs, since it draws only from what it has seen.
    """
    return math.ldexp(1.0, -min(groups, 1000))
