"""Alarms: since when a topic is not what it was, one state for each kind.

An alarm starts where the e-detector of its kind reaches the threshold, and is active until for a day the
series that raised it has come at least half of the way back. A kind that is active hides no other one.
Legend: S series, T windows.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.base.documents import ChangeAlarm, ChangeKind, TopicBaseline
from pipeline.base.times import hours_before
from pipeline.core.change import profile
from pipeline.core.change.baseline import (
    TopicWindow,
    cycle_of,
    dynamics_of,
    stack,
    window_gaps,
)
from pipeline.core.change.e_detector import Evidence, detect, log_mean
from pipeline.core.change.innovations import Innovations, filter_series

Array = NDArray[np.float64]
KINDS: tuple[ChangeKind, ...] = ("language", "encoding", "topic", "label")
# Windows that are read again before the first new one: the onsets of the e-detector, and the filter's
# warm-up.
LOOK_BACK = 120
DAY_HOURS = 24


@dataclass(frozen=True)
class _Series:
    """The series of a topic, beside their usual values, filtered, and with the evidence of each."""

    topic: str
    names: list[str]
    windows: Sequence[TopicWindow]
    values: Array
    residual: Array
    filtered: Innovations
    evidence: Evidence

    @classmethod
    def of(
        cls,
        topic: str,
        since: Mapping[str, str],
        windows: Sequence[TopicWindow],
        baseline: TopicBaseline,
        minutes: int,
    ) -> "_Series":
        """Filter the series named by `since`, which gives for each the window after which it may change."""
        starts, names = [window.start for window in windows], list(since)
        _, values_TS, noise_TS = stack([window.profile for window in windows], baseline["languages"], names)
        cycles = [cycle_of(baseline["series"][name]) for name in names]
        residual_TS = np.stack(
            [cycle.residual(starts, values_T) for cycle, values_T in zip(cycles, values_TS.T, strict=True)],
            axis=1,
        )
        gaps_T = window_gaps(starts, minutes=minutes)
        filtered = filter_series(residual_TS, noise_TS, gaps_T, dynamics_of(baseline["series"], names))
        rows_S = np.array([bisect_right(starts, since[name]) for name in names])
        evidence = detect(filtered, since=rows_S)
        return cls(topic, names, windows, values_TS, residual_TS, filtered, evidence)

    def of_kind(self, kind: ChangeKind) -> "_Series":
        """Return the series of one kind."""
        columns = [row for row, name in enumerate(self.names) if profile.kind_of(name) == kind]
        return replace(
            self,
            names=[self.names[row] for row in columns],
            values=self.values[:, columns],
            residual=self.residual[:, columns],
            filtered=self.filtered.of_series(columns),
            evidence=Evidence(self.evidence.log_e[:, columns], self.evidence.onset[:, columns]),
        )


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
    first = max(judged, baseline["last"])
    rows = [row for row, window in enumerate(windows) if window.start > first]
    names = [
        name for name in baseline["series"] if not model_free or name.partition("/")[0] in profile.MODEL_FREE
    ]
    if not rows or not names:
        return list(alarms)
    # A series may change anew once the last alarm of its kind has ended.
    ended: dict[str, str] = {alarm["kind"]: alarm["until"] or "" for alarm in alarms}
    since = {name: max(baseline["last"], ended.get(profile.kind_of(name), "")) for name in names}
    read = windows[max(0, rows[0] - LOOK_BACK) :]
    series = _Series.of(topic, since, read, baseline, minutes)
    kinds = {profile.kind_of(name) for name in names}
    judged_alarms = [alarm for alarm in alarms if alarm["kind"] not in kinds]
    for kind in sorted(kinds):
        past = [alarm for alarm in alarms if alarm["kind"] == kind]
        judged_alarms += _judge_kind(series.of_kind(kind), kind, past, first, log_threshold)
    return sorted(judged_alarms, key=lambda alarm: (alarm["detected"], alarm["kind"]))


def _judge_kind(
    series: _Series, kind: ChangeKind, past: Sequence[ChangeAlarm], judged: str, log_threshold: float
) -> list[ChangeAlarm]:
    """Read the windows after `judged` one after the other, and start and end alarms."""
    alarms, evidence = list(past), series.evidence
    row = bisect_right([window.start for window in series.windows], judged)
    while row < len(series.windows):
        if alarms and alarms[-1]["until"] is None:
            end = _end(series, alarms[-1], row)
            if end is None:
                break
            alarms[-1] = {**alarms[-1], "until": series.windows[end].start}
            evidence = detect(series.filtered, since=end + 1)
        else:
            reached = np.flatnonzero(log_mean(evidence.log_e)[row:] >= log_threshold)
            if not len(reached):
                break
            end = row + int(reached[0])
            column = int(evidence.log_e[end].argmax())
            alarms.append(_alarm(series, kind, column, int(evidence.onset[end, column]), end))
        row = end + 1
    return alarms


def _alarm(series: _Series, kind: ChangeKind, column: int, onset: int, detected: int) -> ChangeAlarm:
    rows = slice(onset, detected + 1)
    after, change = (float(np.nanmean(part_TS[rows, column])) for part_TS in (series.values, series.residual))
    return {
        "topic": series.topic,
        "kind": kind,
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
