"""Tone events: where the share of a label in a topic changed, by how much, and how sure that is.

The series is read as the watch reads it, one window after the other. At each window the mean of the newest windows is set beside the
mean of all before them, for few and for many newest windows (a generalised likelihood ratio: Willsky and Jones, 1976; Lai, 1995; the
lengths grow by a quarter, as in Walther, 2010). The first contrast beyond the bound is an event; what follows is compared with
what came after it. So an event that was found stays found, whatever comes later, and reading the whole series again at each pass
tells nothing twice and raises no more false alarms than reading it once. The bound is learnt from simulated series without events.

Legend: N windows, S series; `y` is a share, `v` the square of its noise, `g` the square of the error its bridges have in common.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import EventsConfig
from pipeline.base.seeds import seed_for

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
SIMULATED = 900_000  # windows without events, to learn the bound from, in series of a quarter
LONGEST, READ_THROUGH = (
    2000,
    200,
)  # windows of such a series, the rest is in proportion; and loud ones read window by window
WARM, STRETCH = (
    64,
    250,
)  # windows before such a quarter, for a series seldom begins with it; and in a stretch of it
OUTLYING = 3.0  # standard errors from the median before it, at which a single window counts no more
GROWTH = 1.25  # from one number of newest windows to the next
STEPS = 8  # to where that proportion holds
LEAST_NOISE = 1e-3  # of a share; nothing is known better, however many texts there are
NORMAL_MEDIAN = 0.6745  # of the size of a standard normal value
BLOCKS, APART = (
    (1, 4, 16, 64),
    (1, 3),
)  # windows in a block and blocks between two that are compared, to measure the scatter
FEWEST, RECENT = 16, 1024  # blocks that must be there for that, and windows looked back at


def find_change_points(
    series: Mapping[str, Sequence[Mapping[str, Any]]], cfg: EventsConfig,
    *, windows_per_quarter: float, confidence: float, seed: int, topics: int = 1,
) -> list[dict[str, Any]]:  # fmt: skip
    """Find the tone events in the series of a topic's labels, the oldest first.

    `series` holds for each label its windows in order, as `share.bridged` gives them: `start`, `share` and `noise` (without it, the
    interval `low` to `high` at `confidence` stands for it), and `shift_spread` where a change of model was bridged. Windows may be
    missing. The budget `false_alarms_per_quarter` is shared by the labels, and by `topics` where several are watched.

    Each event has the `time` of the first window after the change, its `label`, the means `before` and `after`, their difference
    `change` with `low` and `high`, and `found`: the start of the window that showed it, the same in all later passes, while the
    `time` may still move by a window or two as more come in.
    """
    budget = cfg.false_alarms_per_quarter / max(1, len(series)) / topics
    bound = _bound(cfg.min_windows, max(1, round(windows_per_quarter)), budget, seed)
    found = [
        {"label": label, **event}
        for label, points in sorted(series.items())
        for event in _Series.of(points, cfg.min_windows, confidence).events(bound, cfg.min_change, confidence)
    ]
    return sorted(found, key=lambda event: (event["time"], event["label"]))


@dataclass(frozen=True)
class _Sums:
    """Hold running sums over the windows, from none to all: of the weights, the weighted shares and the weighted bridge errors.

    One series or many (S) side by side. `share` is the sum once the windows after it are known, `newest` the sum when its last window
    has just been read. `scatter` is by how much noise was greater than stated, as known at each window.
    """

    weight: Array
    share: Array
    newest: Array
    bridge: Array
    scatter: Array
    least: int

    @classmethod
    def of(cls, y: Array, v: Array, g: Array, least: int) -> "_Sums":
        scatter = _scatter(y, v)
        around, before = _calm(y, OUTLYING * np.sqrt(scatter * v), least)
        share, seen = _running(around / v), _running(before / v)
        newest = seen.copy()
        newest[..., least:] += share[..., :-least] - seen[..., :-least]
        return cls(_running(1 / v), share, newest, _running(g / v), scatter, least)

    def row(self, place: int) -> "_Sums":
        """Give one of many series."""
        parts = {name: part[place] for name, part in vars(self).items() if name != "least"}
        return dataclasses.replace(self, **parts)

    def contrast(self, start: int, splits: Rows, ends: Rows) -> tuple[Array, Array]:
        """Give the mean from split to end less the mean from start to split, and its standard error."""
        old, new = (
            self.weight[..., splits] - self.weight[..., start, None],
            self.weight[..., ends] - self.weight[..., splits],
        )
        share, bridge = self.share[..., splits], self.bridge[..., splits]
        change = (self.newest[..., ends] - share) / new - (share - self.share[..., start, None]) / old
        square = self.scatter[..., ends - 1] * (1 / old + 1 / new)
        if self.bridge[..., -1].any():
            left = (bridge - self.bridge[..., start, None]) / old - (self.bridge[..., ends] - bridge) / new
            # Only what lies before a bridge was shifted by it, so the error that both sides do not share is that of the earlier one.
            square = square + np.maximum(left, 0)
        return change, np.sqrt(square)

    def replayed(self, bound: float, min_change: float) -> Iterator[tuple[int, int]]:
        """Give where each change lies as it is found, and how many windows had been read by then."""
        # Before that, no window can be held against those around it.
        start, since = 0, 2 * self.least + 1
        while (shown := self._first(start, since, bound, min_change)) is not None:
            # With a few more windows it is clearer where the change lies; a wrong one among the next ones would be a change again.
            settled = min(shown + self.least, self.scatter.shape[-1])
            start, since = self.best(start, shown, settled), settled + 1
            yield start, shown

    def best(self, start: int, shown: int, end: int) -> int:
        """Give the split with the greatest contrast between what was before it and what came until the end."""
        splits = np.arange(start + self.least, min(shown - 1, end - self.least) + 1)
        change, error = self.contrast(start, splits, np.full_like(splits, end))
        return int(splits[np.argmax(np.abs(change) / error)])

    def _first(self, start: int, since: int, bound: float, min_change: float) -> int | None:
        windows, first = self.scatter.shape[-1], None
        for length in _lengths(self.least, windows - start - self.least):
            ends = np.arange(max(since, start + self.least + length), windows + 1 if first is None else first)
            change, error = self.contrast(start, ends - length, ends)
            shown = (np.abs(change) > bound * error) & (np.abs(change) >= min_change)
            first = int(ends[shown.argmax()]) if shown.any() else first
        return first


def _running(values: Array) -> Array:
    sums: Array = np.insert(np.cumsum(values, axis=-1), 0, 0, axis=-1)
    return sums


def _scatter(y: Array, v: Array) -> Array:
    """Measure by which factor the windows vary more than their noise says, from those before each; never less than 1.

    By the median step between windows, which a few changes do not touch (Donoho and Johnstone, 1994), and between means of blocks of
    windows, some apart, for what swings slowly, as over a day. A swing must be seen a few times before it is known to be one.
    """
    factor, at = np.ones_like(y), FEWEST
    while at < y.shape[-1]:
        seen = slice(max(0, at - RECENT), at)
        found = [
            _step(y[..., seen], v[..., seen], block, apart)
            for block in BLOCKS
            for apart in APART
            if at >= FEWEST * block
        ]
        factor[..., at:] = np.max([np.ones(y.shape[:-1]), *found], axis=0)[..., None]
        at += max(FEWEST // 2, at // 2) if at < RECENT else RECENT // 2
    return factor


def _step(y: Array, v: Array, block: int, apart: int) -> Array:
    many = y.shape[-1] // block
    means, squares = (
        part[..., -many * block :].reshape(*y.shape[:-1], many, block).mean(axis=-1) for part in (y, v)
    )
    steps = np.abs(means[..., apart:] - means[..., :-apart]) / np.sqrt(
        (squares[..., apart:] + squares[..., :-apart]) / block
    )
    middle: Array = (np.median(steps, axis=-1) / NORMAL_MEDIAN) ** 2
    return middle


def _calm(y: Array, allowed: Array, least: int) -> tuple[Array, Array]:
    """Pull a window that stands apart towards those around it, and towards those before it, so that one alone is no event.

    Those around it keep a change as sharp as it is (a running median: Tukey, 1977), but are known only later.
    """
    if y.shape[-1] < 2 * least + 1:
        return y, y
    middles = np.median(np.lib.stride_tricks.sliding_window_view(y, 2 * least + 1, axis=-1), axis=-1)
    # Where there are too few on one side, the nearest median stands in.
    first, last = (np.repeat(middles[..., [end]], least, axis=-1) for end in (0, -1))
    around = np.concatenate([first, middles, last], axis=-1)
    before = np.concatenate([first, first, middles[..., :1], middles[..., :-1]], axis=-1)
    return np.clip(y, around - allowed, around + allowed), np.clip(y, before - allowed, before + allowed)


def _lengths(least: int, most: int) -> Iterator[int]:
    length = float(least)
    while round(length) <= most:
        yield round(length)
        length = max(length * GROWTH, length + 1)


@lru_cache(maxsize=64)
def _bound(least: int, quarter: int, budget: float, seed: int) -> float:
    """Learn which contrast, in standard errors, chance exceeds in a quarter as often as the budget says.

    How often it exceeds a level that is not too rare is counted in simulated series. Heights h that are too rare to be counted are
    exceeded in proportion to h exp(-h^2 / 2) (Siegmund and Venkatraman, 1995).
    """
    span, warm = min(quarter, LONGEST), max(WARM, 4 * least)
    random = np.random.default_rng(seed_for(seed, "events", least, quarter))
    y = random.normal(size=(max(1, SIMULATED // (warm + span)), warm + span))
    sums, loudness = _Sums.of(y, np.ones_like(y), np.zeros_like(y), least), np.zeros_like(y)
    for length in _lengths(least, warm + span - least):
        ends = np.arange(max(2 * least + 1, length + least), warm + span + 1)
        change, error = sums.contrast(0, ends - length, ends)
        loudness[:, ends - 1] = np.maximum(loudness[:, ends - 1], np.abs(change) / error)
    # The first quarter of a series or a later one, whichever is louder: little is known in the first windows.
    since = max((0, warm), key=lambda first: float(loudness[:, first : first + span].max(axis=1).mean()))
    parts = max(1, span // STRETCH)
    peaks = loudness[:, since : since + span // parts * parts].reshape(-1, span // parts).max(axis=1)
    rate = (
        budget
        * span
        / quarter
        / parts
        / _together(sums, loudness[:, since : since + span].max(axis=1), since, span)
    )
    above = min(0.9, max(0.1, -math.expm1(-rate)))
    level = height = float(np.quantile(peaks, 1 - above))
    for _ in range(STEPS):
        height = math.sqrt(max(1.0, level**2 + 2 * math.log(-math.log(1 - above) / rate * height / level)))
    return height


def _together(sums: _Sums, highest: Array, since: int, span: int) -> float:
    """Count how many false events come together, in the loudest eighth: what chance lifted falls back, and that is another one."""
    height = float(np.quantile(highest, 7 / 8))
    loud = np.flatnonzero(highest > height)[:READ_THROUGH]
    heard = [
        sum(since < shown <= since + span for _, shown in sums.row(int(row)).replayed(height, 0.0))
        for row in loud
    ]
    # Where first events come independently, 7 of 8 series stay without one at a rate of minus the logarithm of that.
    return max(1.0, float(np.mean(heard)) / 8 / -math.log(7 / 8))


@dataclass(frozen=True)
class _Series:
    """Hold one label's windows: their starts, and their sums with and without outlying windows pulled in."""

    starts: tuple[str, ...]
    sums: _Sums
    plain: _Sums

    @classmethod
    def of(cls, points: Sequence[Mapping[str, Any]], least: int, confidence: float) -> "_Series":
        """Build it from windows; those without a share are missing."""
        known = [
            point for point in points if point.get("share") is not None and math.isfinite(point["share"])
        ]
        y = np.array([point["share"] for point in known], dtype=np.float64)
        v = np.array([max(_noise(point, confidence), LEAST_NOISE) ** 2 for point in known], dtype=np.float64)
        g = np.array([point.get("shift_spread", 0.0) ** 2 for point in known], dtype=np.float64)
        sums = _Sums.of(y, v, g, least)
        return cls(
            tuple(point["start"] for point in known),
            sums,
            dataclasses.replace(sums, share=_running(y / v), newest=_running(y / v)),
        )

    def events(self, bound: float, min_change: float, confidence: float) -> Iterator[dict[str, Any]]:
        """Give each event with its size, where it lies best between the one before and the one after."""
        found, start, reach = (
            list(self.sums.replayed(bound, min_change)),
            0,
            NormalDist().inv_cdf((1 + confidence) / 2),
        )
        for place, (_, shown) in enumerate(found):
            end = found[place + 1][0] if place + 1 < len(found) else len(self.starts)
            split = self.sums.best(start, shown, end)
            change, error = (
                float(part[0]) for part in self.plain.contrast(start, np.array([split]), np.array([end]))
            )
            before = float(
                (self.plain.share[split] - self.plain.share[start])
                / (self.plain.weight[split] - self.plain.weight[start])
            )
            sizes = {
                "before": before,
                "after": before + change,
                "change": change,
                "low": change - reach * error,
            }
            yield {
                "time": self.starts[split],
                **sizes,
                "high": change + reach * error,
                "found": self.starts[shown - 1],
            }
            start = split


def _noise(point: Mapping[str, Any], confidence: float) -> float:
    return float(
        point["noise"]
        if "noise" in point
        else (point["high"] - point["low"]) / 2 / NormalDist().inv_cdf((1 + confidence) / 2)
    )
