"""The chart of prevalence of one topic from its windows, and the table with the same figures."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from pipeline.base import logs
from pipeline.base.documents import (
    ChangePoint,
    ModelChange,
    PrevalenceEntry,
    QualityEntry,
    TopicReport,
    WindowReport,
)
from pipeline.base.tasks import SINGLE_LABEL, answer_form
from pipeline.monitoring.model_change import bridge_topic
from pipeline.operations.dashboard.methods import BY_LABELS, method_changes, method_name, method_of
from pipeline.report.charts.series import (
    WIDE,
    Point,
    SeriesEvent,
    SeriesPlot,
    series_plot,
    volume_path,
)
from pipeline.report.charts.time_axis import TimeSpan
from pipeline.report.formatting import percent, utc_time

ALL = "all"
VOLUME_HEIGHT = 26.0


class Row(TypedDict):
    """One window in a table; `at` is its place on the time axis in per cent."""

    at: float
    start: str


class PrevalenceRow(Row):
    """The prevalence of each label in one window, None where it has too few texts, and its method."""

    texts: int
    release: str
    method: str
    prevalence: dict[str, Point | None]


class ModelChangeNote(TypedDict):
    """A change of the model in words; `bridged` is whether earlier values are shifted to match.

    They are not where audit labels correct both sides (`corrected`).
    """

    time: str
    origin: str
    target: str
    bridged: bool
    corrected: bool
    description: str


class PrevalenceChart(TypedDict):
    """The prevalence of each label over time, with changes of the model and change points.

    `latest` holds the newest point of each label, `too_small` counts windows with too few texts,
    `uncorrected` is why the newest values are not corrected, `method` how they are. A value that is not
    corrected has no interval: its point begins and ends at the value. Without `one_label` a text may have
    several labels, or none.
    """

    plot: SeriesPlot
    volume: str
    volume_height: float
    labels: list[str]
    latest: dict[str, Point]
    rows: list[PrevalenceRow]
    model_changes: list[ModelChangeNote]
    change_points: list[SeriesEvent]
    too_small: int
    uncorrected: str | None
    method: str
    description: str
    one_label: bool


def time_span(windows: Sequence[WindowReport]) -> TimeSpan:
    """Return the time from the first window to the last, the axis of all charts of a page."""
    return TimeSpan.of(windows[0]["window"]["start"], windows[-1]["window"]["end"])


def list_topics(windows: Sequence[WindowReport]) -> list[str]:
    """Return every topic with texts: all texts first, then by the number of texts."""
    texts: dict[str, int] = {}
    for window in windows:
        for topic, report in window["topics"].items():
            texts[topic] = texts.get(topic, 0) + int(report["texts"])
    return sorted(texts, key=lambda topic: (topic != ALL, -texts[topic], topic))


def prevalence_chart(
    windows: Sequence[WindowReport], change_points: Mapping[str, Sequence[ChangePoint]], topic: str
) -> PrevalenceChart:
    """Draw the prevalence of each label over time, with changes of the model and change points marked."""
    reports, span = topic_reports(windows, topic), time_span(windows)
    lines, bridged = _bridged_lines(windows, topic)
    corrected = all(method_of(report) in (*BY_LABELS, None) for _, report in reports)
    model_changes = [
        _model_change_note(
            window["model_change"], window["window"]["start"], bridged=bridged, corrected=corrected
        )
        for window in windows
        if window["model_change"]
    ]
    events = [_change_point_event(change_point) for change_point in change_points.get(topic, ())]
    marks = [(change["time"], f"{change['origin']} → {change['target']}") for change in model_changes]
    marks += method_changes(reports)
    volumes = [(*window_ends(window), report["texts"]) for window, report in reports]
    return {
        "plot": series_plot(lines, span, floor=0.0, most=WIDE, marks=marks, events=events),
        "volume": volume_path(volumes, span, VOLUME_HEIGHT),
        "volume_height": VOLUME_HEIGHT,
        "labels": list(lines),
        "latest": {label: line[-1] for label, line in lines.items() if line},
        "rows": _prevalence_rows(reports, lines, span),
        "model_changes": model_changes,
        "change_points": events[::-1],
        "too_small": sum(not report["prevalence"] for _, report in reports),
        "uncorrected": _uncorrected(reports),
        "method": next((method_name(report) for _, report in reversed(reports) if report["prevalence"]), ""),
        "description": "; ".join(
            f"{label} from {percent(line[0].value, 1)} to {percent(line[-1].value, 1)}"
            for label, line in lines.items()
            if line
        ),
        "one_label": answer_form(windows[-1].get("task", SINGLE_LABEL)).one_label,
    }


def _prevalence_rows(
    reports: Sequence[tuple[WindowReport, TopicReport]], lines: Mapping[str, Sequence[Point]], span: TimeSpan
) -> list[PrevalenceRow]:
    """Return the table of the windows, the newest first."""
    points = {label: {point.start: point for point in line} for label, line in lines.items()}
    return [
        {
            **window_row(window, span),
            "texts": report["texts"],
            "release": window["release"],
            "method": method_name(report),
            "prevalence": {label: line.get(window["window"]["start"]) for label, line in points.items()},
        }
        for window, report in reversed(reports)
    ]


def topic_reports(windows: Sequence[WindowReport], topic: str) -> list[tuple[WindowReport, TopicReport]]:
    """Return the windows that have texts of a topic, each with its report."""
    return [(window, window["topics"][topic]) for window in windows if topic in window["topics"]]


def window_ends(window: WindowReport) -> tuple[str, str]:
    """Return the start and the end of a window."""
    return window["window"]["start"], window["window"]["end"]


def window_point(window: WindowReport, entry: PrevalenceEntry | QualityEntry, value: float) -> Point:
    """Return a value with its interval as a point of a chart."""
    return Point(*window_ends(window), float(value), float(entry["low"]), float(entry["high"]))


def _bridged_lines(windows: Sequence[WindowReport], topic: str) -> tuple[dict[str, list[Point]], bool]:
    """Return the line of each label, and whether values before a change of the model are shifted to match."""
    by_start = {window["window"]["start"]: window for window in windows}
    try:
        bridged = bridge_topic(windows, topic)
    except Exception as error:  # a change that cannot be bridged is still marked
        logs.get("dashboard").error("series.not_bridged", reason=type(error).__name__)
        return _measured_lines(windows, topic), False
    lines = {
        label: [_share_point(by_start[point["start"]], topic, label, point) for point in series]
        for label, series in bridged.items()
    }
    return lines, True


def _share_point(window: WindowReport, topic: str, label: str, bridged: PrevalenceEntry) -> Point:
    """Return the share of a label as a point: bridged unless audit labels correct it."""
    entry = (window["topics"][topic]["prevalence"] or {})[label]
    if entry["method"] in BY_LABELS:
        return window_point(window, entry, entry["share"])
    if not entry["corrected"]:
        value = float(bridged["share"])
        return Point(*window_ends(window), value, value, value)
    return window_point(window, bridged, bridged["share"])


def _measured_lines(windows: Sequence[WindowReport], topic: str) -> dict[str, list[Point]]:
    lines: dict[str, list[Point]] = {}
    for window, report in topic_reports(windows, topic):
        for label, entry in (report["prevalence"] or {}).items():
            lines.setdefault(label, []).append(_share_point(window, topic, label, entry))
    return dict(sorted(lines.items()))


def _uncorrected(reports: Sequence[tuple[WindowReport, TopicReport]]) -> str | None:
    """Return why the newest prevalence is not corrected; None where it is."""
    newest = next((report["prevalence"] for _, report in reversed(reports) if report["prevalence"]), {})
    return next((entry["why"] for entry in newest.values() if not entry["corrected"]), None)


def _model_change_note(change: ModelChange, time: str, *, bridged: bool, corrected: bool) -> ModelChangeNote:
    shifts = [
        f"{label} {shift['difference']:+.1%} ({shift['low']:+.1%} to {shift['high']:+.1%})"
        for label, shift in (change["labels"] or {}).items()
    ]
    description = f"its effect is unknown: {change.get('why') or 'it was not measured'}"
    if shifts:
        description = f"on {change['texts']:,} texts predicted by both it moved {', '.join(shifts)}"
    return {
        "time": time,
        "origin": change["from"],
        "target": change["to"],
        "bridged": bridged and bool(shifts) and not corrected,
        "corrected": corrected,
        "description": description,
    }


def _change_point_event(point: ChangePoint) -> SeriesEvent:
    rising = point["after"] > point["before"]
    description = (
        f"{point['label']} {'rose' if rising else 'fell'} from {point['before']:.1%} to {point['after']:.1%} "
        f"at {utc_time(point['time'])} ({point['change']:+.1%}, {point['low']:+.1%} to {point['high']:+.1%})"
    )
    return SeriesEvent(point["time"], point["label"], float(point["after"]), rising, description)


def window_row(window: WindowReport, span: TimeSpan) -> Row:
    """Begin the row of a window in a table."""
    start, end = window_ends(window)
    return {"at": round((span.at(start) + span.at(end)) / 2, 3), "start": start}
