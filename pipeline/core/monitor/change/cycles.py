"""Cycles: the usual value of a series at an hour of the week or of the day, and what is left beside it.

The cycle is the one that predicts best: each learning window is predicted by the mean of the others in its
slot (leave-one-out cross-validation: Stone, 1974). What is left then holds the error of that mean too, so
that a level learnt from it holds in later windows. Legend: S series, T windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.base.times import parse_time

Array = NDArray[np.float64]
CycleName = Literal["hour of week", "hour of day", "none"]
CYCLES: tuple[CycleName, ...] = ("hour of week", "hour of day", "none")
MIN_REPEATS = 3  # windows of a slot, in the median slot, that a cycle is learnt from


@lru_cache(maxsize=1 << 16)
def slot_of(start: str, cycle: CycleName) -> str:
    """Return the slot of a window: the time of its start in the week or in the day."""
    time = parse_time(start)
    return {"hour of week": _week_slot(time), "hour of day": f"{time:%H:%M}", "none": "any"}[cycle]


def _week_slot(time: datetime) -> str:
    return f"{time.isoweekday()} {time:%H:%M}"


@dataclass(frozen=True)
class Cycle:
    """The usual values of a series by slot, learnt from `windows` windows."""

    name: CycleName
    usual: dict[str, float]

    def residual(self, starts: Sequence[str], values_T: Array) -> Array:
        """Subtract the usual value of each window's slot; NaN where the slot was not seen."""
        usual_T = np.array([self.usual.get(slot_of(start, self.name), np.nan) for start in starts])
        return np.asarray(values_T - usual_T)


def fit_cycle(starts: Sequence[str], values_T: Array) -> tuple[Cycle, Array]:
    """Learn the cycle of a series, and return it with the leave-one-out residuals of its windows."""
    fits = [_fit(name, starts, values_T) for name in CYCLES]
    enough = [fit for fit in fits[:-1] if fit is not None] + [fits[-1]]
    candidates = [fit for fit in enough if fit is not None]
    common_T = np.all([np.isfinite(residual_T) for _, residual_T in candidates], axis=0)
    if not common_T.any():
        return candidates[-1]
    return min(candidates, key=lambda fit: float(np.mean(fit[1][common_T] ** 2)))


def _fit(name: CycleName, starts: Sequence[str], values_T: Array) -> tuple[Cycle, Array] | None:
    """Fit one cycle; None where the median slot was seen too seldom."""
    slots, slot_T = np.unique([slot_of(start, name) for start in starts], return_inverse=True)
    known_T = np.isfinite(values_T)
    counts = np.bincount(slot_T, weights=known_T, minlength=len(slots))
    if name != "none" and np.median(counts) < MIN_REPEATS:
        return None
    sums = np.bincount(slot_T, weights=np.where(known_T, values_T, 0.0), minlength=len(slots))
    others_T = counts[slot_T] - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        residual_T = np.where(others_T > 0, values_T - (sums[slot_T] - values_T) / others_T, np.nan)
        usual = sums / counts
    return Cycle(name, {str(slot): float(usual[i]) for i, slot in enumerate(slots) if counts[i]}), residual_T
