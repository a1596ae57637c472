"""The budget of false alarms for a quarter of a year, and what each part of the watch may spend of it.

Drift, change points and quality share `watch.false_alarms_per_quarter` by SHARES, and each spends its share
on what it judges: drift on topics times kinds, by the threshold of its e-detectors.

The rest of this file finds the level at which a topic differs from the training data, as if that were an
alarm. It is active while at least N of the last M windows have drifted. It starts in a window that has
drifted, if exactly N - 1 of the M - 1 windows before it have, and the window just before those had not: with
fewer drifted windows it would not be active yet, with more it would have started earlier. Windows that drift
independently with probability q therefore start one with probability

    C(M - 1, N - 1) q^N (1 - q)^(M - N + 1)        (exact; a test enumerates all series of M + 1 windows).

All windows are compared with one reference, whose sampling error makes some references drift more often than
others. The budget is about the mean start rate over references, which is higher than the start rate of the
mean probability. Distances are modelled as |u + v| of normal u, new in every window, and v, the same in all
windows of a reference, which is the part s of the variance:

    q = Phi((-c + sqrt(s) v) / sqrt(1 - s)) + Phi((-c - sqrt(s) v) / sqrt(1 - s)),    Phi(-c) = p / 2,

with mean p. The shared part s is measured on the resamples, from how often two windows of one reference both
drift; it is at most m / (m + n) for windows of m and a reference of n texts, as for a difference of two
means.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import comb, log
from statistics import NormalDist
from typing import Literal

import numpy as np

Part = Literal["drift", "change points", "quality"]
SHARES: Mapping[Part, float] = {"drift": 0.5, "change points": 0.25, "quality": 0.25}
NORMAL = NormalDist()
NODES = 64
BISECTIONS = 60


def share_of(false_alarms_per_quarter: float, part: Part) -> float:
    """Return the false alarms that one part of the watch may raise in a quarter."""
    return false_alarms_per_quarter * SHARES[part]


def evidence_threshold(budget: float, *, detectors: int, windows_per_quarter: float) -> float:
    """Return the logarithm of the evidence at which each of so many e-detectors raises an alarm.

    An e-detector reaches c after c windows on average at the earliest, so in n windows it does so n/c times
    at most (Shin, Ramdas and Rinaldo, 2024).
    """
    return log(max(1.0, windows_per_quarter * detectors / budget))


def quality_threshold(budget: float, *, champions: int, confidence: float) -> float:
    """Return the evidence at which a champion counts as less accurate than promised.

    The e-process of each reaches c with a probability of at most 1 / c, however long it serves, so those of
    a quarter raise champions / c alarms at most. A single one is told with `confidence` at least.
    """
    return max(1 / (1 - confidence), max(1, champions) / budget)


def alarm_start_rate(drift_rate: float, *, alarm_windows: int, of_windows: int) -> float:
    """Compute the probability that an alarm starts in a window, where windows drift independently."""
    clear_windows = of_windows - alarm_windows + 1
    ways = comb(of_windows - 1, alarm_windows - 1)
    return ways * drift_rate**alarm_windows * (1 - drift_rate) ** clear_windows


def mean_alarm_start_rate(level: float, *, shared: float, alarm_windows: int, of_windows: int) -> float:
    """Compute the mean start rate over references, whose drift rates have the mean `level`."""
    return sum(
        weight * alarm_start_rate(rate, alarm_windows=alarm_windows, of_windows=of_windows)
        for weight, rate in _drift_rates(level, shared)
    )


def drift_level(target: float, *, shared: float, alarm_windows: int, of_windows: int) -> float:
    """Find the drift rate at which `target` alarms start per window.

    Beyond a certain rate alarms hardly end, so fewer start; the result stays below it, however large the
    target is.
    """
    low, high = 0.0, alarm_windows / (of_windows + 1)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        rate = mean_alarm_start_rate(
            middle, shared=shared, alarm_windows=alarm_windows, of_windows=of_windows
        )
        low, high = (middle, high) if rate < target else (low, middle)
    return low


def joint_drift_rate(level: float, *, shared: float) -> float:
    """Compute the probability that two windows of one reference both drift."""
    return sum(weight * rate**2 for weight, rate in _drift_rates(level, shared))


def shared_variance(level: float, pair_rate: float, *, most: float) -> float:
    """Find the shared part of the variance from the rates at which windows and pairs of windows drift."""
    low, high = 0.0, most
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if joint_drift_rate(level, shared=middle) < pair_rate else (low, middle)
    return low


def _drift_rates(level: float, shared: float) -> list[tuple[float, float]]:
    """Return the drift rates of references and the weight of each."""
    if level <= 0 or shared <= 0:
        return [(1.0, level)]
    nodes, weights = _normal_quadrature()
    critical, own = NORMAL.inv_cdf(1 - level / 2), (1 - shared) ** 0.5
    tails = [(critical - shared**0.5 * node, critical + shared**0.5 * node) for node in nodes]
    rates = [NORMAL.cdf(-near / own) + NORMAL.cdf(-far / own) for near, far in tails]
    return list(zip(weights, rates, strict=True))


@lru_cache
def _normal_quadrature() -> tuple[list[float], list[float]]:
    """Return nodes and weights that integrate over a standard normal variable (Gauss and Hermite)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes.tolist(), (weights / weights.sum()).tolist()
