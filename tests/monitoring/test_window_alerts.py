"""Alerts from windows and change points: their keys, titles and messages."""

from pathlib import Path

import pytest
import window_fixtures

from pipeline.base.config import Workspace
from pipeline.base.documents import ChangePoint, WindowReport
from pipeline.monitoring.window_alerts import alerts_from_windows
from pipeline.monitoring.window_files import read_windows

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


@pytest.fixture
def newest(tmp_path: Path) -> WindowReport:
    """Return a window in which topic `phones` raises a drift alarm."""
    workspace = Workspace.of(tmp_path, {})
    window_fixtures.write(workspace.windows, windows=24)
    return list(read_windows(workspace))[-1]


def test_a_drift_alarm_names_topic_kind_detectors_and_texts(newest: WindowReport) -> None:
    alert = next(alert for alert in alerts_from_windows([newest], {}) if alert.topic == "phones")

    assert (alert.key, alert.kind, alert.requests_retrain) == ("drift/phones/topic", "drift", True)
    assert alert.title == "Drift in topic phones: embedding"
    assert alert.message.startswith(
        "Since 2026-11-25T07:00:00Z the texts of topic phones differ from the test texts of R2. "
        "Detectors that drifted: label, mmd, classifier (p = "
    )
    assert "7f3a9c00/0, 7f3a9c01/1" in alert.message


def test_a_change_point_is_reported_with_its_size_under_a_lasting_key(newest: WindowReport) -> None:
    (alert,) = (
        alert for alert in alerts_from_windows([newest], {"phones": [CHANGE_POINT]}) if alert.kind == "event"
    )

    assert alert.key == "event/phones/negative/2026-11-25T05:00:00Z"
    assert alert.title == "negative in topic phones rose from 24% to 41%"
    assert alert.message == (
        "Since 2026-11-25T02:00:00Z the share of negative in topic phones is 0.410; "
        "before it was 0.240: a change of +0.170 (+0.120 to +0.220)."
    )
    assert not alert.requests_retrain


def test_a_single_topic_is_reported_once_as_all_texts(newest: WindowReport) -> None:
    topics = {name: newest["topics"][name] for name in ("all", "phones")}
    single: WindowReport = {**newest, "topics": topics}
    points = {"all": [CHANGE_POINT], "phones": [CHANGE_POINT]}

    assert {alert.topic for alert in alerts_from_windows([single], points)} == {"all"}


def test_without_new_windows_there_are_no_alerts() -> None:
    assert alerts_from_windows([], {"all": [CHANGE_POINT]}) == []
