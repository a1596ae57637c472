"""The series of windows: changes of the model, their effect, and change points beyond them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from pipeline.base.config import Params
from pipeline.base.documents import (
    BridgedPoint,
    ChangePoint,
    PrevalenceEntry,
    TopicBaseline,
    WindowReport,
)
from pipeline.base.times import parse_time
from pipeline.core.change.baseline import cycle_of
from pipeline.core.change.cycles import slot_of
from pipeline.core.change.profile import share
from pipeline.core.monitor import bridging
from pipeline.core.monitor.alarm_budget import share_of
from pipeline.core.monitor.bridging import SeriesPoint, TimedShift
from pipeline.core.monitor.change_points import find_change_points
from pipeline.core.monitor.windows import windows_per_quarter


def bridge_topic(windows: Sequence[WindowReport], topic: str) -> dict[str, list[BridgedPoint]]:
    """Return the series of each label's share in a topic, with changes of the model bridged."""
    labels = {label for window in windows for label in _prevalence(window, topic)}
    return {
        label: bridging.bridge_series(_series_points(windows, topic, label), _shifts(windows, topic, label))
        for label in sorted(labels)
    }


def _series_points(windows: Sequence[WindowReport], topic: str, label: str) -> list[SeriesPoint]:
    return [
        {
            "start": window["window"]["start"],
            "release": window["release"],
            **_prevalence(window, topic)[label],
        }
        for window in windows
        if label in _prevalence(window, topic)
    ]


def _shifts(windows: Sequence[WindowReport], topic: str, label: str) -> list[TimedShift]:
    """Return what each change of the model did to a label in a topic; earlier versions measured all texts."""
    shifts: list[TimedShift] = []
    for window in windows:
        if change := window["model_change"]:
            labels = change["labels"]
            if "topics" in change:
                labels = change["topics"][topic]["labels"] if topic in change["topics"] else None
            if labels and label in labels:
                shifts.append({"time": window["window"]["start"], **labels[label]})
    return shifts


def find_topic_changes(
    windows: Sequence[WindowReport],
    params: Params,
    *,
    baselines: Mapping[str, TopicBaseline],
    frozen: Mapping[str, Sequence[ChangePoint]],
    read_until: str,
) -> dict[str, list[ChangePoint]]:
    """Find the new change points of each topic that has a baseline, in the shares of predictions.

    `frozen` are those found in the windows up to `read_until`. The cycle of the baseline is taken out, and
    changes of the model are bridged; no window of the learning time shows a change point.
    """
    found = {}
    for topic, baseline in baselines.items():
        series = {
            label: _predicted_series(windows, topic, label, baseline)
            for label in sorted({label for window in windows for label in _prevalence(window, topic)})
        }
        points = find_change_points(
            series,
            params.watch.change_points,
            false_alarms_per_quarter=share_of(params.watch.false_alarms_per_quarter, "change points"),
            windows_per_quarter=windows_per_quarter(params.watch.window_minutes),
            confidence=params.watch.confidence,
            seed=params.seed,
            topics=len(baselines),
            frozen=frozen.get(topic, ()),
            read_until=max(read_until, baseline["last"]),
        )
        seen = [point for point in points if _both_show(point, windows, topic, params)]
        if seen:
            found[topic] = seen
    return found


def _predicted_series(
    windows: Sequence[WindowReport], topic: str, label: str, baseline: TopicBaseline
) -> list[BridgedPoint]:
    """Return the share of predictions without its cycle, since a change of the model of unknown effect."""
    shifts = _shifts(windows, topic, label)
    known = {shift["time"] for shift in shifts if not shift["corrected"]}
    series = baseline["series"].get(f"label/{label}")
    cycle = cycle_of(series) if series else None
    level = sum(cycle.usual.values()) / len(cycle.usual) if cycle else 0.0
    points: list[SeriesPoint] = []
    for window in windows:
        start, entry = window["window"]["start"], _prevalence(window, topic).get(label)
        if window["model_change"] and start not in known:
            points = []
        if entry is None:
            continue
        usual = cycle.usual.get(slot_of(start, cycle.name), level) if cycle else level
        texts = window["topics"][topic]["texts"]
        value = entry["raw"] - usual + level
        noise = share(round(entry["raw"] * texts), texts)[1]
        points.append(
            {
                "start": start,
                "release": window["release"],
                **entry,
                "share": value,
                "low": value,
                "high": value,
                "spread": noise,
                "noise": noise,
                "corrected": False,
            }
        )
    return bridging.bridge_series(points, [shift for shift in shifts if shift["time"] in known])


def _both_show(point: ChangePoint, windows: Sequence[WindowReport], topic: str, params: Params) -> bool:
    """Return whether the old release sees a change point too, where it lies at a change of the model."""
    near = timedelta(minutes=params.watch.window_minutes * 2 * params.watch.change_points.min_windows)
    for window in windows:
        change, start = window["model_change"], parse_time(window["window"]["start"])
        if change is None or abs(parse_time(point["time"]) - start) > near:
            continue
        seen = change.get("topics", {}).get(topic)
        before, error = seen["by_old_release"].get(point["label"], (0.0, 0.0)) if seen else (0.0, 0.0)
        if abs(before) <= error or before * point["change"] <= 0 or abs(before) < abs(point["change"]) / 2:
            return False
    return True


def _prevalence(window: WindowReport, topic: str) -> dict[str, PrevalenceEntry]:
    report = window["topics"].get(topic)
    return (report["prevalence"] if report else None) or {}
