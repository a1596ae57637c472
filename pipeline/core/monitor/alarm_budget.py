"""How seldom a window may drift by chance, so that alarms by chance stay within what was allowed for a quarter of a year.

An alarm stands while at least N of the last M windows have drifted. It starts in a window that has drifted, of whose M - 1
predecessors exactly N - 1 have, and when the window that left just before them had not: had fewer drifted it would not stand yet,
had more, or that one too, it stood already. Windows that drift independently with chance q thus start one with the chance

    C(M - 1, N - 1) q^N (1 - q)^(M - N + 1)        (exact; a test counts it out over all series of M + 1 windows).

But all windows are compared with one reference, whose own sampling error makes some references drift more often than others. The
mean start rate over references is what counts, and it is higher than that of the mean chance. So distances are taken to behave as
|u + v| of normal u, new in every window, and v, the same in all windows of a reference, which makes up the part s of the variance:

    q = Phi((-c + sqrt(s) v) / sqrt(1 - s)) + Phi((-c - sqrt(s) v) / sqrt(1 - s)),    Phi(-c) = p / 2,

of mean p. The shared part s is measured on the resamples, from how often two windows of one reference both drift; it is at most
m / (m + n) for windows of m and a reference of n texts, which a difference of two means has.
"""

from functools import lru_cache
from math import comb
from statistics import NormalDist

import numpy as np

NORMAL = NormalDist()
NODES = 64
HALVINGS = 60


def alarm_start_rate(chance: float, *, alarms: int, of: int) -> float:
    """Give the chance that an alarm starts in a window, where each drifts independently with this chance."""
    return comb(of - 1, alarms - 1) * chance**alarms * (1 - chance) ** (of - alarms + 1)


def mean_alarm_start_rate(level: float, *, shared: float, alarms: int, of: int) -> float:
    """Give the same where the chance has this mean but differs from reference to reference."""
    return sum(
        weight * alarm_start_rate(chance, alarms=alarms, of=of) for weight, chance in _chances(level, shared)
    )


def drift_level(target: float, *, shared: float, alarms: int, of: int) -> float:
    """Find the chance of a drifted window at which so many alarms start per window.

    Beyond a certain chance alarms hardly end, so fewer start; it is never exceeded, however large the target is.
    """
    low, high = 0.0, alarms / (of + 1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if mean_alarm_start_rate(middle, shared=shared, alarms=alarms, of=of) < target
            else (low, middle)
        )
    return low


def joint_drift_rate(level: float, *, shared: float) -> float:
    """Give the chance that two windows of one reference have both drifted."""
    return sum(weight * chance**2 for weight, chance in _chances(level, shared))


def shared_variance(level: float, pairs: float, *, most: float) -> float:
    """Find the shared part from the share of windows and of pairs of windows that have drifted."""
    low, high = 0.0, most
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if joint_drift_rate(level, shared=middle) < pairs else (low, middle)
    return low


def _chances(level: float, shared: float) -> list[tuple[float, float]]:
    if level <= 0 or shared <= 0:
        return [(1.0, level)]
    nodes, weights = _normal()
    reach, own = NORMAL.inv_cdf(1 - level / 2), (1 - shared) ** 0.5
    sides = [(reach - shared**0.5 * node, reach + shared**0.5 * node) for node in nodes]
    chances = [NORMAL.cdf(-near / own) + NORMAL.cdf(-far / own) for near, far in sides]
    return list(zip(weights, chances, strict=True))


@lru_cache
def _normal() -> tuple[list[float], list[float]]:
    """Give points and weights to average over a normal quantity by (Gauss and Hermite)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes.tolist(), (weights / weights.sum()).tolist()
