"""Alarms: since when a topic is not what it was, one state for each kind.

An alarm starts where the e-detector of its kind reaches the threshold, and stands until for a day the series
that raised it has come at least half of the way back. A kind that stands hides no other one. Legend: S
series, T windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.documents import ChangeAlarm, ChangeKind, TopicBaseline
from pipeline.base.times import hours_before
from pipeline.core.monitor.change import profile
from pipeline.core.monitor.change.baseline import (
    TopicWindow,
    cycle_of,
    dynamics_of,
    stack,
    window_gaps,
)
from pipeline.core.monitor.change.e_detector import detect, log_mean
from pipeline.core.monitor.change.innovations import Innovations, filter_series

Array = NDArray[np.float64]
KINDS: tuple[ChangeKind, ...] = ("language", "encoding", "topic", "label")
# Windows that are read again before the first new one: the onsets of the e-detector, and the filter's
# warm-up.
LOOK_BACK = 120
DAY_HOURS = 24


@dataclass(frozen=True)
class _Series:
    """The series of one kind, beside their usual values, and filtered."""

    topic: str
    kind: ChangeKind
    names: list[str]
    windows: Sequence[TopicWindow]
    values: Array
    residual: Array
    filtered: Innovations


def judge_topic(
    topic: str,
    windows: Sequence[TopicWindow],
    baseline: TopicBaseline,
    alarms: Sequence[ChangeAlarm],
    *,
    judged: str,
    minutes: int,
    log_threshold: float,
    model_free: bool = False,
) -> list[ChangeAlarm]:
    """Return the alarms of a topic after its windows, the oldest first.

    `alarms` are those after the window `judged`; only windows after it and after the learning time are
    judged, each once. Where the baseline is that of another release, `model_free` leaves the series that do
    not depend on one.
    """
    others = [alarm for alarm in alarms if alarm["kind"] not in KINDS]
    first = max(judged, baseline["last"])
    rows = [row for row, window in enumerate(windows) if window.start > first]
    if not rows:
        return list(alarms)
    read = windows[max(0, rows[0] - LOOK_BACK) :]
    for kind in KINDS:
        past = [alarm for alarm in alarms if alarm["kind"] == kind]
        names = [name for name in baseline["series"] if profile.kind_of(name) == kind]
        if model_free:
            names = [name for name in names if name.partition("/")[0] in profile.MODEL_FREE]
        if names:
            series = _prepare(topic, kind, names, read, baseline, minutes)
            since = max(baseline["last"], *(alarm["until"] or "" for alarm in past), "")
            others += _judge_series(series, past, first, since, log_threshold)
        else:
            others += past
    return sorted(others, key=lambda alarm: (alarm["detected"], alarm["kind"]))


def _prepare(
    topic: str,
    kind: ChangeKind,
    names: list[str],
    windows: Sequence[TopicWindow],
    baseline: TopicBaseline,
    minutes: int,
) -> _Series:
    starts = [window.start for window in windows]
    _, values_TS, noise_TS = stack([window.profile for window in windows], baseline["languages"], names)
    residual_TS = np.array(
        [
            cycle_of(baseline["series"][name]).residual(starts, values_TS[:, column])
            for column, name in enumerate(names)
        ]
    ).T
    gaps_T = window_gaps(starts, minutes=minutes)
    filtered = filter_series(residual_TS, noise_TS, gaps_T, dynamics_of(baseline["series"], names))
    return _Series(topic, kind, names, windows, values_TS, residual_TS, filtered)


def _judge_series(
    series: _Series, past: Sequence[ChangeAlarm], judged: str, since: str, log_threshold: float
) -> list[ChangeAlarm]:
    """Read the windows after `judged` one after the other, and start and end alarms."""
    alarms = list(past)
    row = next(row for row, window in enumerate(series.windows) if window.start > judged)
    while row < len(series.windows):
        if alarms and alarms[-1]["until"] is None:
            end = _end(series, alarms[-1], row)
            if end is None:
                break
            since = series.windows[end].start
            alarms[-1] = {**alarms[-1], "until": since}
        else:
            first = next((n for n, window in enumerate(series.windows) if window.start > since), row)
            evidence = detect(series.filtered, since=first)
            reached = np.flatnonzero(log_mean(evidence.log_e)[row:] >= log_threshold)
            if not len(reached):
                break
            end = row + int(reached[0])
            column = int(evidence.log_e[end].argmax())
            alarms.append(_alarm(series, column, int(evidence.onset[end, column]), end))
        row = end + 1
    return alarms


def _alarm(series: _Series, column: int, onset: int, detected: int) -> ChangeAlarm:
    rows = slice(onset, detected + 1)
    after, change = (float(np.nanmean(part_TS[rows, column])) for part_TS in (series.values, series.residual))
    return {
        "topic": series.topic,
        "kind": series.kind,
        "series": series.names[column],
        "release": series.windows[detected].release,
        "since": series.windows[onset].start,
        "detected": series.windows[detected].start,
        "until": None,
        "before": after - change,
        "after": after,
    }


def _end(series: _Series, alarm: ChangeAlarm, row: int) -> int | None:
    """Return the first window from `row` on after a day of which at least half of the change is gone."""
    if alarm["series"] not in series.names:
        return row
    residual_T = series.residual[:, series.names.index(alarm["series"])]
    starts = np.array([window.start for window in series.windows])
    change = alarm["after"] - alarm["before"]
    for end in range(row, len(starts)):
        day_ago = hours_before(starts[end], hours=DAY_HOURS)
        if day_ago < alarm["detected"]:
            continue
        day_T = residual_T[: end + 1][starts[: end + 1] > day_ago]
        known_T = day_T[np.isfinite(day_T)]
        if len(known_T) and float(known_T.mean()) / change < 0.5:
            return end
    return None
