"""Change points: where the share of a label in a topic changed, by how much, and with which interval.

The series is read one window after the other, as the watch reads it. At each window the mean of the newest
windows is compared with the mean of all before them, for few and for many newest windows (a generalised
likelihood ratio: Willsky and Jones, 1976; Lai, 1995; the lengths grow by a quarter, as in Walther, 2010). The
first contrast beyond the bound is a change point, settled a few windows later; from then on it is frozen, and
later windows are compared with those since. So an event is found once, whatever topics or bounds come later.
The bound is learnt from simulated series without changes.
"""

import dataclasses
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from pipeline.base.config import ChangePointConfig
from pipeline.base.documents import BridgedPoint, ChangePoint
from pipeline.base.seeds import seed_for
from pipeline.core.monitor.contrasts import Array, SeriesSums, running_sum, stretch_lengths

SIMULATED = 900_000  # windows without changes that the bound is learnt from, in series of a quarter
MAX_QUARTER = 2000  # windows of such a series; the rest is extrapolated in proportion
MAX_READ = 200  # series that exceed a level and are read window by window
WARM_UP = 64  # windows before such a quarter, since a series seldom begins with it
STRETCH = 250  # windows of a part of it whose maximum counts once
STEPS = 8  # of the fixed-point iteration for the bound
MIN_NOISE = 1e-3  # of a share, however many texts there are


def find_change_points(
    series: Mapping[str, Sequence[BridgedPoint]],
    cfg: ChangePointConfig,
    *,
    false_alarms_per_quarter: float,
    windows_per_quarter: float,
    confidence: float,
    seed: int,
    topics: int = 1,
    frozen: Sequence[ChangePoint] = (),
    read_until: str = "",
) -> list[ChangePoint]:
    """Find the new change points in the series of a topic's labels, the oldest first.

    `series` holds the windows of each label in order; windows may be missing. The budget
    `false_alarms_per_quarter` is shared by the labels, and by `topics` where several are watched. `frozen`
    are those of earlier passes, which had read the windows up to `read_until`: later windows are compared
    with those since the last of them, and no earlier window shows a new one, whatever the bound is now.
    """
    budget = false_alarms_per_quarter / max(1, len(series)) / topics
    bound = _bound(cfg.min_windows, max(1, round(windows_per_quarter)), budget, seed)
    change_points = [
        change_point
        for label, points in sorted(series.items())
        for change_point in _Series.of(label, points, cfg.min_windows).change_points(
            bound,
            cfg.min_change,
            confidence,
            frozen=[point for point in frozen if point["label"] == label],
            read_until=read_until,
        )
    ]
    return sorted(change_points, key=lambda point: (point["time"], point["label"]))


@lru_cache(maxsize=64)
def _bound(min_windows: int, quarter: int, budget: float, seed: int) -> float:
    """Learn the contrast, in standard errors, that is exceeded by chance as often as the budget allows.

    Exceedances of levels that are not too rare are counted in simulated series. Heights h that are too rare
    to be counted are exceeded in proportion to h exp(-h^2 / 2) (Siegmund and Venkatraman, 1995).
    """
    span, warm_up = min(quarter, MAX_QUARTER), max(WARM_UP, 4 * min_windows)
    random = np.random.default_rng(seed_for(seed, "events", min_windows, quarter))
    y = random.normal(size=(max(1, SIMULATED // (warm_up + span)), warm_up + span))
    sums = SeriesSums.of(y, np.ones_like(y), np.zeros_like(y), min_windows)
    heights = _highest_contrasts(sums, warm_up + span)
    # The first quarter of a series or a later one, whichever is higher: little is known in the first windows.
    since = max((0, warm_up), key=lambda first: float(heights[:, first : first + span].max(axis=1).mean()))
    parts = max(1, span // STRETCH)
    peaks = heights[:, since : since + span // parts * parts].reshape(-1, span // parts).max(axis=1)
    cluster_size = _cluster_size(sums, heights[:, since : since + span].max(axis=1), since, span)
    rate = budget * span / quarter / parts / cluster_size
    exceedance = min(0.9, max(0.1, -math.expm1(-rate)))
    level = height = float(np.quantile(peaks, 1 - exceedance))
    for _ in range(STEPS):
        expected = -math.log(1 - exceedance) / rate * height / level
        height = math.sqrt(max(1.0, level**2 + 2 * math.log(expected)))
    return height


def _highest_contrasts(sums: SeriesSums, windows: int) -> Array:
    """Compute the highest absolute contrast of each series at each window; SxN."""
    heights, min_windows = np.zeros_like(sums.dispersion), sums.min_windows
    for length in stretch_lengths(min_windows, windows - min_windows):
        ends = np.arange(max(2 * min_windows + 1, length + min_windows), windows + 1)
        change, error = sums.contrast(0, ends - length, ends)
        heights[:, ends - 1] = np.maximum(heights[:, ends - 1], np.abs(change) / error)
    return heights


def _cluster_size(sums: SeriesSums, highest: Array, since: int, span: int) -> float:
    """Count how many false detections come together, in the highest eighth of the series.

    What chance has lifted falls back later, and that is another detection.
    """
    height = float(np.quantile(highest, 7 / 8))
    rows = np.flatnonzero(highest > height)[:MAX_READ]
    counts = [
        sum(
            since < found.windows_read <= since + span for found in sums.row(int(row)).detections(height, 0.0)
        )
        for row in rows
    ]
    # Where first detections come independently, 7 of 8 series stay without one at a rate of minus the
    # logarithm of that.
    return max(1.0, float(np.mean(counts)) / 8 / -math.log(7 / 8))


@dataclass(frozen=True)
class _Series:
    """The windows of one label: their starts, and their sums with and without outlying windows pulled in."""

    label: str
    starts: tuple[str, ...]
    robust: SeriesSums
    plain: SeriesSums

    @classmethod
    def of(cls, label: str, points: Sequence[BridgedPoint], min_windows: int) -> "_Series":
        y = np.array([point["share"] for point in points], dtype=np.float64)
        v = np.array([max(point["noise"], MIN_NOISE) ** 2 for point in points], dtype=np.float64)
        g = np.array([point["shift_spread"] ** 2 for point in points], dtype=np.float64)
        robust = SeriesSums.of(y, v, g, min_windows)
        plain = dataclasses.replace(robust, shares=running_sum(y / v), newest=running_sum(y / v))
        return cls(label, tuple(point["start"] for point in points), robust, plain)

    def change_points(
        self,
        bound: float,
        min_change: float,
        confidence: float,
        *,
        frozen: Sequence[ChangePoint] = (),
        read_until: str = "",
    ) -> Iterator[ChangePoint]:
        """Yield each new change point at its best split between the one before and the one after.

        Windows since the last `frozen` one are compared, and those later than `read_until` settle a new one.
        """
        settle = self.robust.min_windows
        start, since = 0, bisect_right(self.starts, read_until) - settle + 1
        if frozen:
            last = max(frozen, key=lambda point: point["detected"])
            start = bisect_left(self.starts, last["time"])
            since = max(since, bisect_right(self.starts, last["detected"]) + settle + 1)
        detections = list(self.robust.detections(bound, min_change, start=start, since=since))
        half_width = NormalDist().inv_cdf((1 + confidence) / 2)
        ends = [*(detection.split for detection in detections[1:]), len(self.starts)]
        for detection, end in zip(detections, ends, strict=False):
            split = self.robust.best_split(start, detection.windows_read, end)
            changes, errors = self.plain.contrast(start, np.array([split]), np.array([end]))
            change, error = float(changes[0]), float(errors[0])
            shares, weights = self.plain.shares, self.plain.weights
            before = float((shares[split] - shares[start]) / (weights[split] - weights[start]))
            yield {
                "time": self.starts[split],
                "label": self.label,
                "before": before,
                "after": before + change,
                "change": change,
                "low": change - half_width * error,
                "high": change + half_width * error,
                "detected": self.starts[detection.windows_read - 1],
            }
            start = split
