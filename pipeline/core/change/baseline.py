"""The baseline of a topic: what its first weeks in service were like (Phase I of a control chart).

The learning time is counted in days on which the topic had enough texts, so that neither a night, an outage
nor a clock that jumps makes it shorter. Legend: S series, T windows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.base.documents import SeriesBaseline, TopicBaseline, WindowProfile
from pipeline.base.times import parse_time
from pipeline.core.change import e_detector, profile
from pipeline.core.change.cycles import Cycle, CycleName, fit_cycle
from pipeline.core.change.innovations import Dynamics, filter_series, fit_dynamics
from pipeline.core.change.silence import learn_activity

Array = NDArray[np.float64]
DAYS_PER_WEEK = 7
MIN_WINDOWS = 20  # of the learning time, whatever the configuration
MARGIN = 2.0  # by which the logarithm of the evidence stays below an alarm throughout the learning time
WIDEN, WIDEST = 1.25, 200.0


@dataclass(frozen=True)
class TopicWindow:
    """One window of a topic: its start, its release, the number of its texts and its profile, if any."""

    start: str
    release: str
    texts: int
    profile: WindowProfile | None


@dataclass(frozen=True)
class LearningTime:
    """The windows of the learning time; `until` is the day it ends if texts keep coming, None once over."""

    windows: Sequence[TopicWindow]
    until: str | None


def learning_time(windows: Sequence[TopicWindow], *, weeks: float) -> LearningTime:
    """Take the windows of the first days with a profile, of those that one release made of a topic."""
    days = max(1, round(weeks * DAYS_PER_WEEK))
    learnt: list[TopicWindow] = []
    seen: list[date] = []
    for window in windows:
        if window.profile is None:
            continue
        day = parse_time(window.start).date()
        if day not in seen:
            if len(seen) >= days and len(learnt) >= MIN_WINDOWS:
                return LearningTime(learnt, None)
            seen.append(day)
        learnt.append(window)
    if not seen:
        return LearningTime((), "")
    return LearningTime(learnt, str(seen[-1] + timedelta(days=max(1, days - len(seen) + 1))))


def learn(
    windows: Sequence[TopicWindow], *, counts: Mapping[str, int], minutes: int, log_threshold: float
) -> TopicBaseline:
    """Learn the baseline from the windows of the learning time, all of which have a profile.

    `counts` are the texts of all windows from the first to the last, those without a profile too.
    `log_threshold` is the logarithm of the evidence that raises an alarm: where the learning time itself
    comes near it, the topic varies in another way than the model of `innovations` allows, and its series are
    widened.
    """
    starts = [window.start for window in windows]
    profiles = [window.profile for window in windows if window.profile is not None]
    languages = profile.usual_languages(profiles)
    names, values_TS, noise_TS = stack(profiles, languages)
    gaps_T = window_gaps(starts, minutes=minutes)
    fits = [fit_cycle(starts, values_T) for values_T in values_TS.T]
    cycles, residual_TS = [cycle for cycle, _ in fits], np.array([residual_T for _, residual_T in fits]).T
    frequent = np.flatnonzero(np.isfinite(residual_TS).sum(axis=0) >= MIN_WINDOWS / 2)
    names = [names[row] for row in frequent]
    cycles = [cycles[row] for row in frequent]
    residual_TS, noise_TS = residual_TS[:, frequent], noise_TS[:, frequent]
    dynamics = _widen(names, residual_TS, noise_TS, gaps_T, log_threshold)
    cycle, active = learn_activity(counts, minutes=minutes)
    return {
        "first": starts[0],
        "last": starts[-1],
        "windows": len(starts),
        "languages": languages,
        "series": {name: _series_document(cycles[row], dynamics, row) for row, name in enumerate(names)},
        "activity_cycle": cycle,
        "active": active,
    }


def _widen(
    names: Sequence[str], residual_TS: Array, noise_TS: Array, gaps_T: Array, log_threshold: float
) -> Dynamics:
    """Fit the dynamics, and widen the series whose own learning time comes near an alarm."""
    dynamics = fit_dynamics(residual_TS, noise_TS, gaps_T)
    near = np.ones(len(names), dtype=bool)
    while near.any() and float(dynamics.scale.max()) < WIDEST:
        evidence = e_detector.detect(filter_series(residual_TS, noise_TS, gaps_T, dynamics), since=0)
        near = evidence.log_e.max(axis=0) > log_threshold - MARGIN
        dynamics = Dynamics(
            dynamics.rho, dynamics.level, dynamics.white, dynamics.scale * np.where(near, WIDEN, 1.0)
        )
    return dynamics


def _series_document(cycle: Cycle, dynamics: Dynamics, row: int) -> SeriesBaseline:
    return {
        "cycle": cycle.name,
        "usual": {slot: round(value, profile.DIGITS) for slot, value in cycle.usual.items()},
        "rho": float(dynamics.rho[row]),
        "level": float(dynamics.level[row]),
        "white": float(dynamics.white[row]),
        "scale": float(dynamics.scale[row]),
    }


def stack(
    profiles: Sequence[WindowProfile | None], languages: Sequence[str], names: Sequence[str] | None = None
) -> tuple[list[str], Array, Array]:
    """Return the names of the series, their values and the standard errors; TxS, NaN where there is none."""
    rows = [profile.series_values(one, languages) if one else {} for one in profiles]
    names = sorted({name for row in rows for name in row}) if names is None else list(names)
    missing = (np.nan, np.nan)
    both_TS2 = np.array([[row.get(name, missing) for name in names] for row in rows], dtype=np.float64)
    both_TS2 = both_TS2.reshape(len(rows), len(names), 2)
    return list(names), both_TS2[..., 0], both_TS2[..., 1]


def window_gaps(starts: Sequence[str], *, minutes: int) -> Array:
    """Return how many windows after the one before it each window starts, at least 1; the first has 1."""
    times = [parse_time(start) for start in starts]
    steps = [(later - earlier) / timedelta(minutes=minutes) for earlier, later in pairwise(times)]
    return np.maximum(1.0, np.array([1.0, *steps][: len(starts)], dtype=np.float64))


def dynamics_of(series: Mapping[str, SeriesBaseline], names: Sequence[str]) -> Dynamics:
    """Return the learnt dynamics of some series, in the order of `names`."""
    keys: tuple[Literal["rho", "level", "white", "scale"], ...] = ("rho", "level", "white", "scale")
    columns = (np.array([series[name][key] for name in names], dtype=np.float64) for key in keys)
    return Dynamics(*columns)


def cycle_of(series: SeriesBaseline) -> Cycle:
    """Return the learnt cycle of a series."""
    return Cycle(cast(CycleName, series["cycle"]), series["usual"])
