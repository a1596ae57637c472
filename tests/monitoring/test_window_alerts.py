"""Alerts from alarms and change points: their keys, titles and messages."""

from pathlib import Path

import pytest

from pipeline.base.config import Params
from pipeline.base.documents import ChangeAlarm, ChangePoint
from pipeline.io.params_file import load_params
from pipeline.monitoring.window_alerts import alerts_from_changes

CHANGE_POINT: ChangePoint = {
    "time": "2026-11-25T02:00:00Z",
    "label": "negative",
    "before": 0.24,
    "after": 0.41,
    "change": 0.17,
    "low": 0.12,
    "high": 0.22,
    "detected": "2026-11-25T05:00:00Z",
}
ALARM: ChangeAlarm = {
    "topic": "phones",
    "kind": "label",
    "series": "label/negative",
    "release": "R2",
    "since": "2026-11-25T02:00:00Z",
    "detected": "2026-11-25T05:00:00Z",
    "until": None,
    "before": 0.24,
    "after": 0.41,
}


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(Path(__file__).parents[2] / "params.yaml")


def test_an_alarm_names_topic_kind_series_and_what_was_usual(params: Params) -> None:
    (alert,) = alerts_from_changes([ALARM], {}, params=params)

    assert (alert.key, alert.kind, alert.requests_retrain) == (
        "drift/phones/label/2026-11-25T05:00:00Z",
        "drift",
        True,
    )
    assert (alert.title, alert.time) == ("Drift in topic phones: predicted labels", "2026-11-25T06:00:00Z")
    assert alert.message == (
        "Since 2026-11-25T02:00:00Z the share of negative of topic phones is 0.410; at these hours 0.240 was "
        "usual under R2."
    )


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ("language/unusual", "share of texts in an unusual language"),
        ("language/en", "share of texts in en"),
        ("unknown", "share of unknown tokens"),
        ("length", "mean logarithm of the number of words"),
        ("topic/2", "mean embedding on axis 3"),
        ("confidence", "mean confidence"),
    ],
)
def test_each_series_has_a_name_in_words(params: Params, series: str, words: str) -> None:
    (alert,) = alerts_from_changes([{**ALARM, "series": series}], {}, params=params)

    assert f"the {words} of topic phones is" in alert.message


def test_silence_is_alerted_without_a_retrain(params: Params) -> None:
    silence: ChangeAlarm = {**ALARM, "kind": "silence", "series": "texts", "before": 812.4, "after": 0.0}
    (alert,) = alerts_from_changes([silence], {}, params=params)

    assert (alert.title, alert.requests_retrain) == ("No texts of topic phones", False)
    assert alert.message == (
        "Since 2026-11-25T02:00:00Z there is no text of topic phones; about 812 texts are usual from then to "
        "2026-11-25T05:00:00Z."
    )


def test_a_change_point_is_reported_with_its_size_under_a_lasting_key(params: Params) -> None:
    (alert,) = alerts_from_changes([], {"phones": [CHANGE_POINT]}, params=params)

    assert alert.key == "event/phones/negative/2026-11-25T05:00:00Z"
    assert alert.title == "negative in topic phones rose from 24% to 41%"
    assert alert.message == (
        "Since 2026-11-25T02:00:00Z the share of negative in topic phones is 0.410; "
        "before it was 0.240: a change of +0.170 (+0.120 to +0.220)."
    )
    assert not alert.requests_retrain


def test_what_tells_of_an_alerted_event_is_not_alerted(params: Params) -> None:
    alarm: ChangeAlarm = {**ALARM, "same_as": "event/phones/negative/2026-11-25T05:00:00Z"}
    point: ChangePoint = {**CHANGE_POINT, "same_as": "drift/phones/label/2026-11-25T05:00:00Z"}

    assert alerts_from_changes([alarm], {"phones": [point]}, params=params) == []
