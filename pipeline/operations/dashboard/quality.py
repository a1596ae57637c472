"""The charts of drift and quality of one topic, and the tables with the same figures."""

from collections.abc import Sequence
from typing import TypedDict

from pipeline.base.documents import (
    ChangeAlarm,
    DetectorReport,
    DriftReport,
    QualityEntry,
    TopicReport,
    WindowReport,
)
from pipeline.operations.dashboard.charts import (
    Row,
    time_span,
    topic_reports,
    window_ends,
    window_point,
    window_row,
)
from pipeline.report.charts.series import SeriesPlot, StripPlot, series_plot, strip_plot
from pipeline.report.charts.time_axis import TimeSpan
from pipeline.report.formatting import percent, score

NEAR = 0.05  # p-values below it are marked, though they are not significant
FROM_LABELS = "from true labels"
ALL_DETECTORS = "All detectors"
LABEL = "label/"  # before a label that is compared by itself
DETECTOR_NAMES = {
    "label": "Predicted labels",
    "confidence": "Confidence",
    "length": "Length",
    "unknown": "Unknown tokens",
    "language": "Language",
    "mmd": "Embedding (MMD)",
    "classifier": "Embedding (classifier)",
}


class DriftRow(Row):
    """The drift of one window; `state` is alarm, drifted or calm, `detectors` names those that drifted.

    `by_difference` is whether an earlier version raised an alarm in it.
    """

    p: float
    kind: str | None
    detectors: list[str]
    state: str
    by_difference: bool
    examples: list[str]


class Alarm(DriftRow):
    """Alarms of one kind in a row, with the figures of the newest window."""

    since: str
    windows: int


class DriftChart(TypedDict):
    """The windows in which each detector drifted, and the alarms, newest first."""

    plot: StripPlot
    rows: list[DriftRow]
    alarms: list[Alarm]
    judged: int
    drifted: int


class QualityRow(Row):
    """The accuracy in one window, by feedback and estimated."""

    labels: int | None
    observed: str
    macro_f1: str
    estimated: str


class QualityChart(TypedDict):
    """Accuracy over time, from `labels` true labels and estimated; `plot` is None where there is neither.

    `not_estimated` is why nothing is estimated in the newest window, None where something may be.
    """

    plot: SeriesPlot | None
    rows: list[QualityRow]
    labels: int
    description: str
    not_estimated: str | None


def drift_chart(
    windows: Sequence[WindowReport], topic: str, changes: Sequence[ChangeAlarm] = ()
) -> DriftChart:
    """Draw which detectors differ from the training data in which window, and where an alarm stood.

    `alarms` lists those that earlier versions raised by that difference.
    """
    own = [alarm for alarm in changes if alarm["topic"] == topic]
    reports = [
        (window, report["drift"]) for window, report in topic_reports(windows, topic) if report["drift"]
    ]
    span = time_span(windows)
    detectors = dict.fromkeys(name for _, report in reports for name in report["detectors"])
    lanes = {
        ALL_DETECTORS: [
            (*window_ends(window), _drift_state(window, report, own)) for window, report in reports
        ]
    }
    lanes |= {
        _detector_name(name): [
            (*window_ends(window), _detector_state(report["detectors"].get(name)))
            for window, report in reports
        ]
        for name in detectors
    }
    rows = [_drift_row(window, report, span, own) for window, report in reversed(reports)]
    return {
        "plot": strip_plot(lanes, span),
        "rows": rows,
        "alarms": _merge_alarms(rows),
        "judged": len(rows),
        "drifted": sum(report["drifted"] for _, report in reports),
    }


def quality_chart(windows: Sequence[WindowReport], topic: str) -> QualityChart:
    """Draw the accuracy by feedback and the one estimated from calibrated confidence."""
    reports, span = topic_reports(windows, topic), time_span(windows)
    observed = [
        window_point(window, report["observed"], report["observed"]["accuracy"])
        for window, report in reports
        if report["observed"]
    ]
    estimated = [
        window_point(window, report["estimated"], report["estimated"]["accuracy"])
        for window, report in reports
        if report["estimated"]
    ]
    lines = {FROM_LABELS: observed, "estimated without labels": estimated}
    lines = {name: line for name, line in lines.items() if line}
    rows = [
        _quality_row(window, report, span)
        for window, report in reversed(reports)
        if report["observed"] or report["estimated"]
    ]
    return {
        "plot": series_plot(lines, span, floor=None, scattered=(FROM_LABELS,)) if lines else None,
        "rows": rows,
        "labels": sum(row["labels"] or 0 for row in rows),
        "description": "; ".join(
            f"{name}: last {percent(line[-1].value, 1)}" for name, line in lines.items()
        ),
        "not_estimated": reports[-1][1].get("not_estimated") if reports else None,
    }


def _drift_state(window: WindowReport, report: DriftReport, alarms: Sequence[ChangeAlarm]) -> str:
    start = window["window"]["start"]
    if report["alarm"] or any(
        alarm["since"] <= start and (alarm["until"] is None or start < alarm["until"]) for alarm in alarms
    ):
        return "alarm"
    return "drifted" if report["drifted"] else "calm"


def _detector_state(report: DetectorReport | None) -> str:
    if report is None:
        return "unseen"
    if report["drifted"]:
        return "drifted"
    return "near" if report["p"] < NEAR else "calm"


def _detector_name(name: str) -> str:
    if name.startswith(LABEL):
        return f"Share of {name.removeprefix(LABEL)}"
    return DETECTOR_NAMES.get(name, name.replace("_", " "))


def _drift_row(
    window: WindowReport, report: DriftReport, span: TimeSpan, alarms: Sequence[ChangeAlarm]
) -> DriftRow:
    return {
        **window_row(window, span),
        "p": report["p"],
        "kind": report["kind"],
        "detectors": [
            _detector_name(name) for name, detector in report["detectors"].items() if detector["drifted"]
        ],
        "state": _drift_state(window, report, alarms),
        "by_difference": report["alarm"],
        "examples": [f"{example['request']}/{example['position']}" for example in report["examples"]],
    }


def _merge_alarms(rows: Sequence[DriftRow]) -> list[Alarm]:
    """Merge consecutive alarms of one kind, newest first; the newest window gives the figures."""
    alarms: list[Alarm] = []
    newer: DriftRow | None = None
    for row in rows:
        if row["by_difference"]:
            if newer and newer["by_difference"] and newer["kind"] == row["kind"]:
                alarms[-1]["since"] = row["start"]
                alarms[-1]["windows"] += 1
            else:
                alarms.append({**row, "since": row["start"], "windows": 1})
        newer = row
    return alarms


def _quality_row(window: WindowReport, report: TopicReport, span: TimeSpan) -> QualityRow:
    observed = report["observed"]
    return {
        **window_row(window, span),
        "labels": observed["labels"] if observed else None,
        "observed": _interval(observed),
        "macro_f1": score(observed["macro_f1"] if observed else None),
        "estimated": _interval(report["estimated"]),
    }


def _interval(entry: QualityEntry | None) -> str:
    if not entry:
        return "–"
    return f"{percent(entry['accuracy'], 1)} ({percent(entry['low'], 1)} to {percent(entry['high'], 1)})"
