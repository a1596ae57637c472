"""Cycles: the usual value of a series at an hour of the week, and what is left beside it.

The cycle is the one that predicts best: the windows of each day of the learning time are predicted from the
other days (cross-validation by blocks: Burman, Chow and Nolan, 1994). What is left then holds the error of
that prediction too, so that a level learnt from it holds in later windows. Legend: T windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.base.times import parse_time

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
CycleName = Literal["hour of week", "hour and weekday", "hour of day", "none"]
CYCLES: tuple[CycleName, ...] = ("hour of week", "hour and weekday", "hour of day", "none")
MIN_REPEATS = 3  # windows of a slot, in the median slot, that a cycle is learnt from
ANY = "any"


@lru_cache(maxsize=1 << 16)
def slot_of(start: str, cycle: CycleName) -> str:
    """Return the slot of a window: the time of its start in the week or in the day."""
    if cycle == "none":
        return ANY
    time = parse_time(start)
    return f"{time:%H:%M}" if cycle == "hour of day" else f"{time.isoweekday()} {time:%H:%M}"


@dataclass(frozen=True)
class Cycle:
    """The usual values of a series by slot."""

    name: CycleName
    usual: dict[str, float]

    def residual(self, starts: Sequence[str], values_T: Array) -> Array:
        """Subtract the usual value of each window's slot; NaN where the slot was not seen."""
        usual_T = np.array([self.usual.get(slot_of(start, self.name), np.nan) for start in starts])
        return np.asarray(values_T - usual_T)


def fit_cycle(starts: Sequence[str], values_T: Array) -> tuple[Cycle, Array]:
    """Learn the cycle of a series; return it with what is left of windows predicted from other days."""
    known: Rows = np.flatnonzero(np.isfinite(values_T))
    learnt, values = [starts[int(row)] for row in known], values_T[known]
    fits = [_fit(name, learnt, values) for name in CYCLES if _repeats(name, learnt)] if len(known) else []
    fits = fits or [(Cycle("none", {}), np.full(len(known), np.nan))]
    common = np.all([np.isfinite(residual) for _, residual in fits], axis=0)
    cycle, residual = fits[-1]
    if common.any():
        cycle, residual = min(fits, key=lambda fit: float(np.mean(fit[1][common] ** 2)))
    residual_T = np.full(len(values_T), np.nan)
    residual_T[known] = residual
    return cycle, residual_T


def _repeats(name: CycleName, starts: Sequence[str]) -> bool:
    """Return whether the slots of a cycle were seen often enough."""
    if name == "none":
        return True
    slots: dict[str, set[str]] = {}
    for start in starts:
        slot = slot_of(start, name)
        # Hours and weekdays add up, so each weekday is needed often enough, not each hour of it.
        slots.setdefault(slot[:1] if name == "hour and weekday" else slot, set()).add(start[:10])
    return float(np.median([len(days) for days in slots.values()])) >= MIN_REPEATS


def _fit(name: CycleName, starts: Sequence[str], values_T: Array) -> tuple[Cycle, Array]:
    """Fit a cycle, and predict each day from the others."""
    slots = [slot_of(start, name) for start in starts]
    day_T = _index([start[:10] for start in starts])
    if not day_T.any():  # of a single day each window is predicted from the others
        day_T = np.arange(len(starts))
    if name != "hour and weekday":
        means, others_T = _means(_index(slots), day_T, values_T)
        usual = {slot: float(means[row]) for slot, row in zip(slots, _index(slots), strict=True)}
        return Cycle(name, usual), values_T - others_T
    parts = [[slot[2:] for slot in slots], [slot[:1] for slot in slots], [ANY] * len(slots)]
    fitted = [_means(_index(part), day_T, values_T) for part in parts]
    hours, weekdays, level = (
        {slot: float(means[row]) for slot, row in zip(part, _index(part), strict=True)}
        for part, (means, _) in zip(parts, fitted, strict=True)
    )
    usual = {
        f"{weekday} {hour}": hours[hour] + weekdays[weekday] - level[ANY]
        for weekday in sorted(weekdays)
        for hour in sorted(hours)
    }
    return Cycle(name, usual), values_T - (fitted[0][1] + fitted[1][1] - fitted[2][1])


def _index(names: Sequence[str]) -> Rows:
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _means(slot_T: Rows, day_T: Rows, values_T: Array) -> tuple[Array, Array]:
    """Return the mean of each slot, and for each window that of its slot on all other days."""
    days = int(day_T.max()) + 1
    pair_T = slot_T * days + day_T
    size = (int(slot_T.max()) + 1) * days
    sums = np.bincount(pair_T, weights=values_T, minlength=size)
    counts = np.bincount(pair_T, minlength=size).astype(np.float64)
    slot_sums, slot_counts = (part.reshape(-1, days).sum(axis=1) for part in (sums, counts))
    other_counts = slot_counts[slot_T] - counts[pair_T]
    with np.errstate(invalid="ignore", divide="ignore"):
        others_T = np.where(other_counts > 0, (slot_sums[slot_T] - sums[pair_T]) / other_counts, np.nan)
    return slot_sums / slot_counts, others_T
