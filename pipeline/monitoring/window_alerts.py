"""Alerts from changes: an alarm that starts, and a change point that is found; one event is one alert."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from pipeline.base.config import Params
from pipeline.base.documents import ChangeAlarm, ChangePoint
from pipeline.base.records import Alert
from pipeline.base.times import format_seconds, parse_time
from pipeline.core.change.events import alarm_name, change_point_name
from pipeline.monitoring.windows.counts import ALL

KINDS = {
    "language": "language",
    "encoding": "encoding",
    "topic": "what is written about",
    "label": "predicted labels",
}
SERIES = {
    "confidence": "mean confidence",
    "unknown": "share of unknown tokens",
    "length": "mean logarithm of the number of words",
    "language/unusual": "share of texts in an unusual language",
}


def alerts_from_changes(
    alarms: Sequence[ChangeAlarm], change_points: Mapping[str, Sequence[ChangePoint]], *, params: Params
) -> list[Alert]:
    """Return an alert for each new alarm and each new change point, unless it tells of an alerted event."""
    alerts = [_alarm_alert(alarm, params) for alarm in alarms if "same_as" not in alarm]
    return [*alerts, *_change_point_alerts(change_points, params)]


def _alarm_alert(alarm: ChangeAlarm, params: Params) -> Alert:
    name, kind = topic_name(alarm["topic"]), alarm["kind"]
    silent = kind == "silence"
    return Alert(
        key=alarm_name(alarm),
        kind="drift",
        topic=alarm["topic"],
        time=_window_end(alarm["detected"], params),
        title=f"No texts of {name}" if silent else f"Drift in {name}: {KINDS[kind]}",
        message=alarm_sentence(alarm),
        # A model is not at fault where no text comes.
        requests_retrain=not silent,
    )


def alarm_sentence(alarm: ChangeAlarm) -> str:
    """Say what an alarm is about, since when, and what was usual."""
    name = topic_name(alarm["topic"])
    if alarm["kind"] == "silence":
        return (
            f"Since {alarm['since']} there is no text of {name}; about {alarm['before']:,.0f} texts are "
            f"usual from then to {alarm['detected']}."
        )
    return (
        f"Since {alarm['since']} the {series_name(alarm['series'])} of {name} is {alarm['after']:.3f}; "
        f"at these hours {alarm['before']:.3f} was usual under {alarm['release']}."
    )


def series_name(series: str) -> str:
    """Name a series in words."""
    part, _, rest = series.partition("/")
    if series in SERIES:
        return SERIES[series]
    if part == "topic":
        return f"mean embedding on axis {int(rest) + 1}"
    return f"share of {rest}" if part == "label" else f"share of texts in {rest}"


def _change_point_alerts(
    change_points: Mapping[str, Sequence[ChangePoint]], params: Params
) -> Iterator[Alert]:
    for topic, points in change_points.items():
        for point in points:
            if "same_as" not in point:
                yield _change_point_alert(topic, point, params)


def _change_point_alert(topic: str, point: ChangePoint, params: Params) -> Alert:
    name, label = topic_name(topic), point["label"]
    verb = "rose" if point["change"] > 0 else "fell"
    return Alert(
        key=change_point_name(topic, point),
        kind="event",
        topic=topic,
        time=_window_end(point["detected"], params),
        title=f"{label} in {name} {verb} from {point['before']:.0%} to {point['after']:.0%}",
        message=(
            f"Since {point['time']} the share of {label} in {name} is {point['after']:.3f}; "
            f"before it was {point['before']:.3f}: a change of {point['change']:+.3f} "
            f"({point['low']:+.3f} to {point['high']:+.3f})."
        ),
    )


def topic_name(topic: str) -> str:
    """Name a topic in a sentence."""
    return "all texts" if topic == ALL else f"topic {topic}"


def _window_end(start: str, params: Params) -> str:
    return format_seconds(parse_time(start) + timedelta(minutes=params.watch.window_minutes))
