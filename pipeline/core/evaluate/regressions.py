"""Regressions: figures that may be worse than those of an earlier release, tested together.

A figure is the macro F1 of a slice, the F1 of a label, the pass rate of an ability. Legend: B resamples, K
figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import GateConfig
from pipeline.base.documents import RegressionState, SliceDifference
from pipeline.core.evaluate import bootstrap, significance
from pipeline.core.evaluate.paired_bootstrap import PairedMetric

SEVERITY: tuple[RegressionState, ...] = ("worse", "not shown", "not known", "not worse")


@dataclass(frozen=True)
class HeldAgainst:
    """A paired figure and the release that it is held against."""

    release: str
    metric: PairedMetric


def regression_rows(
    family: Sequence[HeldAgainst], *, margin: float, gate: GateConfig
) -> list[SliceDifference]:
    """Test all figures together for a drop; return for each name the row against which it does worst."""
    if not family:
        return []
    statistics_K = [_statistic(member.metric) for member in family]
    resampled_BK = np.stack([_null_statistics(member.metric) for member in family], axis=1)
    adjusted_K = significance.max_t(statistics_K, resampled_BK)
    critical = -float(np.quantile(resampled_BK.min(axis=1), 1 - gate.confidence))
    rows = [
        _row(member, statistics_K[k], adjusted_K[k], margin=margin, gate=gate, critical=critical)
        for k, member in enumerate(family)
    ]
    return [
        min((row for row in rows if row["name"] == name), key=_severity)
        for name in dict.fromkeys(member.metric.name for member in family)
    ]


def regression_state(
    figures: tuple[float, float, float, float], *, margin: float, gate: GateConfig
) -> RegressionState:
    """Return what a difference, its lower bound, its standard error and its adjusted p-value show.

    A significant drop counts where the drop itself exceeds the margin. Whether there are enough texts is
    known without the difference: equal models would have to rule the margin out with `gate.power`.
    """
    difference, lower, standard_error, p_adjusted = figures
    if difference < -margin and p_adjusted <= 1 - gate.confidence:
        return "worse"
    # No share falls by more than all of it.
    if lower > -margin or margin >= 1:
        return "not worse"
    needed = NormalDist().inv_cdf(gate.confidence) + NormalDist().inv_cdf(gate.power)
    return "not shown" if needed * standard_error <= margin else "not known"


def difference_interval(metric: PairedMetric, gate: GateConfig) -> tuple[float, float]:
    """Return the two-sided percentile interval of a difference."""
    low, high = bootstrap.percentile_interval(metric.differences_B, confidence=gate.confidence)
    if significance.smallest_p(metric.differing_groups) > (1 - gate.confidence) / 2:
        # With so few differing groups, swapping the models' names at random may give the same difference.
        low, high = min(low, 0.0), max(high, 0.0)
    return low, high


def paired_shares(
    name: str,
    candidate_N: NDArray[np.bool_],
    champion_N: NDArray[np.bool_],
    *,
    resamples: int,
    seed: int,
) -> PairedMetric:
    """Resample the difference of two shares of the same N independent cases."""
    gains_N = candidate_N.astype(np.int64) - champion_N.astype(np.int64)
    sums_B = bootstrap.bootstrap_sums(gains_N[:, None], resamples=resamples, seed=seed)[:, 0]
    shares = (float(candidate_N.mean()), float(champion_N.mean()))
    differing = int(np.count_nonzero(gains_N))
    return PairedMetric(name, len(gains_N), *shares, sums_B / len(gains_N), differing_groups=differing)


def _row(
    member: HeldAgainst,
    statistic: float,
    p_adjusted: float,
    *,
    margin: float,
    gate: GateConfig,
    critical: float,
) -> SliceDifference:
    metric, level = member.metric, 1 - gate.confidence
    at_least = significance.smallest_p(metric.differing_groups)
    p_adjusted = max(p_adjusted, at_least)
    lower = significance.lower_bound(
        metric.difference, metric.spread, groups=metric.differing_groups, level=level
    )
    interval = difference_interval(metric, gate)
    figures = (metric.difference, lower, metric.spread, p_adjusted)
    detectable = (critical + NormalDist().inv_cdf(gate.power)) * metric.spread
    return {
        "name": metric.name,
        "against": member.release,
        "texts": metric.texts,
        "candidate": metric.candidate,
        "champion": metric.champion,
        "difference": metric.difference,
        "low": interval[0],
        "high": interval[1],
        "p": max(_p_value(metric, statistic), at_least),
        "p_adjusted": p_adjusted,
        "standard_error": metric.spread,
        "lower": lower,
        "state": regression_state(figures, margin=margin, gate=gate),
        "minimum_detectable": max(margin, detectable),
    }


def _severity(row: SliceDifference) -> tuple[int, float]:
    return SEVERITY.index(row["state"]), row["lower"]


def _statistic(metric: PairedMetric) -> float:
    return metric.difference / metric.spread if metric.spread else 0.0


def _null_statistics(metric: PairedMetric) -> NDArray[np.float64]:
    if not metric.spread:
        return np.zeros(len(metric.differences_B))
    return (metric.differences_B - metric.difference) / metric.spread


def _p_value(metric: PairedMetric, statistic: float) -> float:
    as_small = int((_null_statistics(metric) <= statistic).sum())
    return (1 + as_small) / (1 + len(metric.differences_B))
