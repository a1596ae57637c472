"""Alerts from windows: drift that lasts, and change points."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.base.documents import ChangePoint, DriftReport, WindowReport
from pipeline.base.records import Alert
from pipeline.monitoring.window_counts import ALL

KINDS = {"topic": "embedding", "label": "predicted labels", "encoding": "unknown tokens or length"}


def alerts_from_windows(
    windows: Sequence[WindowReport], change_points: Mapping[str, Sequence[ChangePoint]]
) -> list[Alert]:
    """Return an alert for each drift alarm in these new windows, and for each change point."""
    alerts = [
        _drift_alert(window, topic, report)
        for window in windows
        for topic in _distinct_topics(window)
        if (report := window["topics"][topic]["drift"]) and report["alarm"]
    ]
    return [*alerts, *_change_point_alerts(windows[-1], change_points)] if windows else []


def _drift_alert(window: WindowReport, topic: str, report: DriftReport) -> Alert:
    drifted = ", ".join(name for name, detector in report["detectors"].items() if detector["drifted"])
    examples = ", ".join(f"{example['request']}/{example['position']}" for example in report["examples"])
    kind = str(report["kind"])
    return Alert(
        key=f"drift/{topic}/{kind}",
        kind="drift",
        topic=topic,
        time=window["window"]["end"],
        title=f"Drift in {_topic_name(topic)}: {KINDS.get(kind, kind)}",
        message=(
            f"Since {window['window']['start']} the texts of {_topic_name(topic)} differ from the test texts "
            f"of {window['release']}. Detectors that drifted: {drifted or 'all together'} "
            f"(p = {report['p']:.4f}, alarms below {report['level']:.4f}). Texts that moved most: {examples}."
        ),
        requests_retrain=True,
    )


def _distinct_topics(window: WindowReport) -> list[str]:
    """Return the topics of a window; a single topic equals all texts, so only `all` remains."""
    topics = list(window["topics"])
    return topics if len(topics) > 2 else topics[:1]


def _change_point_alerts(
    newest: WindowReport, change_points: Mapping[str, Sequence[ChangePoint]]
) -> Iterator[Alert]:
    topics = _distinct_topics(newest)
    for topic, points in change_points.items():
        for point in points if topic in topics else ():
            name, label = _topic_name(topic), point["label"]
            verb = "rose" if point["change"] > 0 else "fell"
            yield Alert(
                # Later passes detect the change point again; the window that first showed it stays the same.
                key=f"event/{topic}/{label}/{point['detected']}",
                kind="event",
                topic=topic,
                time=newest["window"]["end"],
                title=f"{label} in {name} {verb} from {point['before']:.0%} to {point['after']:.0%}",
                message=(
                    f"Since {point['time']} the share of {label} in {name} is {point['after']:.3f}; "
                    f"before it was {point['before']:.3f}: a change of {point['change']:+.3f} "
                    f"({point['low']:+.3f} to {point['high']:+.3f})."
                ),
            )


def _topic_name(topic: str) -> str:
    return "all texts" if topic == ALL else f"topic {topic}"
