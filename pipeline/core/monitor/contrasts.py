"""Contrasts between the means of neighbouring stretches of a series.

Legend: N windows, S series; `y` is a share, `v` the square of its noise, `g` the square of the error that its
bridges have in common.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
OUTLYING = 3.0  # standard errors from the median at which a single window is pulled in
GROWTH = 1.25  # from one number of newest windows to the next
NORMAL_MEDIAN = 0.6745  # of the absolute value of a standard normal variable
BLOCKS, APART = (1, 4, 16, 64), (1, 3)  # windows per block, and blocks between two that are compared
MIN_BLOCKS, MAX_HISTORY = 16, 1024  # to measure dispersion: blocks that must exist, and windows of the past


class Detection(NamedTuple):
    """A change before window `split`, detected once `windows_read` windows have been read."""

    split: int
    windows_read: int


@dataclass(frozen=True)
class SeriesSums:
    """Running sums over one series or many (S) side by side, from no window to all of them.

    `shares` are weighted shares once the windows after them are known, `newest` those when their last window
    has just been read; `bridges` are weighted bridge errors. `dispersion` is the factor by which windows vary
    more than their noise, as known at each.
    """

    weights: Array
    shares: Array
    newest: Array
    bridges: Array
    dispersion: Array
    min_windows: int

    @classmethod
    def of(cls, y: Array, v: Array, g: Array, min_windows: int) -> "SeriesSums":
        """Sum up series of shares; Nx or SxN each."""
        dispersion = _dispersion(y, v)
        around, before = _pull_in_outliers(y, OUTLYING * np.sqrt(dispersion * v), min_windows)
        shares, read = running_sum(around / v), running_sum(before / v)
        newest = read.copy()
        newest[..., min_windows:] += shares[..., :-min_windows] - read[..., :-min_windows]
        return cls(running_sum(1 / v), shares, newest, running_sum(g / v), dispersion, min_windows)

    def row(self, index: int) -> "SeriesSums":
        """Return one of many series."""
        arrays = {name: array[index] for name, array in vars(self).items() if name != "min_windows"}
        return dataclasses.replace(self, **arrays)

    def contrast(self, start: int, splits: Rows, ends: Rows) -> tuple[Array, Array]:
        """Compute the mean from split to end less the mean from start to split, and its standard error."""
        old = self.weights[..., splits] - self.weights[..., start, None]
        new = self.weights[..., ends] - self.weights[..., splits]
        shares, bridges = self.shares[..., splits], self.bridges[..., splits]
        change = (self.newest[..., ends] - shares) / new - (shares - self.shares[..., start, None]) / old
        variance = self.dispersion[..., ends - 1] * (1 / old + 1 / new)
        if self.bridges[..., -1].any():
            left = (bridges - self.bridges[..., start, None]) / old - (
                self.bridges[..., ends] - bridges
            ) / new
            # A bridge shifts only what lies before it, so the error that both sides do not share is that of
            # the earlier one.
            variance = variance + np.maximum(left, 0)
        return change, np.sqrt(variance)

    def detections(
        self, bound: float, min_change: float, *, start: int = 0, since: int = 0
    ) -> Iterator[Detection]:
        """Yield each change as it is detected, reading one window after the other, and settled.

        It is settled `min_windows` later. Windows before `start` are left out, and so are changes that fewer
        than `since` windows show.
        """
        # Before that, no window can be compared with those around it.
        since = max(start + self.min_windows, 2 * self.min_windows + 1, since)
        while (read := self._first_detection(start, since, bound, min_change)) is not None:
            # A few more windows show better where the change is; a wrong split among the next ones would be
            # another change.
            settled = read + self.min_windows
            if settled > self.dispersion.shape[-1]:
                return
            start, since = self.best_split(start, read, settled), settled + 1
            yield Detection(start, read)

    def best_split(self, start: int, read: int, end: int) -> int:
        """Return the split, detected at `read`, with the greatest contrast between start and end."""
        splits = np.arange(start + self.min_windows, min(read - 1, end - self.min_windows) + 1)
        change, error = self.contrast(start, splits, np.full_like(splits, end))
        return int(splits[np.argmax(np.abs(change) / error)])

    def _first_detection(self, start: int, since: int, bound: float, min_change: float) -> int | None:
        windows, first = self.dispersion.shape[-1], None
        for length in stretch_lengths(self.min_windows, windows - start - self.min_windows):
            last = windows + 1 if first is None else first
            ends = np.arange(max(since, start + self.min_windows + length), last)
            change, error = self.contrast(start, ends - length, ends)
            exceeds = (np.abs(change) > bound * error) & (np.abs(change) >= min_change)
            first = int(ends[exceeds.argmax()]) if exceeds.any() else first
        return first


def running_sum(values: Array) -> Array:
    """Compute the sums of the first 0, 1, … N values along the last axis."""
    sums: Array = np.insert(np.cumsum(values, axis=-1), 0, 0, axis=-1)
    return sums


def stretch_lengths(least: int, most: int) -> Iterator[int]:
    """Yield the numbers of newest windows that are compared, each a quarter larger."""
    length = float(least)
    while round(length) <= most:
        yield round(length)
        length = max(length * GROWTH, length + 1)


def _dispersion(y: Array, v: Array) -> Array:
    """Measure by which factor windows vary more than their noise, from those before each; at least 1.

    By the median step between windows, which a few changes do not affect (Donoho and Johnstone, 1994), and
    between means of blocks of windows, some apart, for slow swings such as a day's. A swing must occur a few
    times before it is recognised as one.
    """
    factor, at = np.ones_like(y), MIN_BLOCKS
    while at < y.shape[-1]:
        past = slice(max(0, at - MAX_HISTORY), at)
        factors = [
            _step_variance(y[..., past], v[..., past], block, apart)
            for block in BLOCKS
            for apart in APART
            if at >= MIN_BLOCKS * block
        ]
        factor[..., at:] = np.max([np.ones(y.shape[:-1]), *factors], axis=0)[..., None]
        at += max(MIN_BLOCKS // 2, at // 2) if at < MAX_HISTORY else MAX_HISTORY // 2
    return factor


def _step_variance(y: Array, v: Array, block: int, apart: int) -> Array:
    count = y.shape[-1] // block
    means, variances = (
        part[..., -count * block :].reshape(*y.shape[:-1], count, block).mean(axis=-1) for part in (y, v)
    )
    steps = np.abs(means[..., apart:] - means[..., :-apart]) / np.sqrt(
        (variances[..., apart:] + variances[..., :-apart]) / block
    )
    factor: Array = (np.median(steps, axis=-1) / NORMAL_MEDIAN) ** 2
    return factor


def _pull_in_outliers(y: Array, allowed: Array, min_windows: int) -> tuple[Array, Array]:
    """Clip each window to the median around it, and to that before it, so one alone is no change.

    The median of those around it keeps a change sharp (running median: Tukey, 1977), but is known only later.
    """
    if y.shape[-1] < 2 * min_windows + 1:
        return y, y
    medians = np.median(np.lib.stride_tricks.sliding_window_view(y, 2 * min_windows + 1, axis=-1), axis=-1)
    # Where there are too few windows on one side, the nearest median is used instead.
    first, last = (np.repeat(medians[..., [end]], min_windows, axis=-1) for end in (0, -1))
    around = np.concatenate([first, medians, last], axis=-1)
    before = np.concatenate([first, first, medians[..., :1], medians[..., :-1]], axis=-1)
    return np.clip(y, around - allowed, around + allowed), np.clip(y, before - allowed, before + allowed)
