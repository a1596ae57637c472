"""What a pass finds in window reports: learning, alarms by kind, silence, and change points found once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from service_weeks import DAY, label_shares, start_of, window_reports

from pipeline.base.config import Params, Workspace
from pipeline.io.params_file import load_params
from pipeline.monitoring.changes import (
    Changes,
    find_changes,
    read_change_points,
    read_states,
    write_changes,
)
from pipeline.monitoring.window_alerts import alerts_from_changes

ROOT = Path(__file__).parents[2]
LEARNING = 4 * DAY


@pytest.fixture(scope="module")
def params() -> Params:
    """Return the project's params with four days of learning."""
    params = load_params(ROOT / "params.yaml")
    drift = params.watch.drift.model_copy(update={"learning_weeks": LEARNING / 168})
    return params.model_copy(update={"watch": params.watch.model_copy(update={"drift": drift})})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.of(tmp_path, {})


def watch(workspace: Workspace, windows: list[Any], params: Params, *, now: int | None = None) -> Changes:
    """Judge the windows of one pass, and store what it found."""
    hour = len(windows) if now is None else now
    changes = find_changes(workspace, windows, now=start_of(hour), params=params)
    write_changes(workspace, changes)
    return changes


def watch_hourly(
    workspace: Workspace, windows: list[Any], params: Params, *, first: int, every: int = 1
) -> list[Any]:
    """Judge one window after the other, and return the alerts with the number of windows each came after."""
    raised = []
    for end in range(first, len(windows) + 1, every):
        changes = watch(workspace, windows[:end], params)
        found = alerts_from_changes(changes.new_alarms, changes.new_change_points, params=params)
        raised += [(end, alert) for alert in found]
    return raised


def flat(hours: int, value: float, **changed: float) -> np.ndarray:
    """Return a series of a value that changes at the hours of `h<number>`."""
    series = np.full(hours, value)
    for name, after in changed.items():
        series[int(name[1:]) :] = after
    return series


def test_encoding_that_breaks_while_a_topic_alarm_stands_is_alerted_within_two_windows(
    workspace: Workspace, params: Params
) -> None:
    hours, moved, broken = LEARNING + 24, LEARNING + 4, LEARNING + 20
    windows = window_reports(
        {
            "all": {},
            "phones": {
                "axis": flat(hours, 0.0, **{f"h{moved}": 0.75}),
                "unknown": flat(hours, 0.004, **{f"h{broken}": 0.15}),
            },
            "trains": {},
        },
        hours,
    )

    alerts = watch_hourly(workspace, windows, params, first=LEARNING)

    assert [(alert.topic, alert.title) for _, alert in alerts] == [
        ("phones", "Drift in topic phones: what is written about"),
        ("phones", "Drift in topic phones: encoding"),
    ]
    assert [end for end, _ in alerts] == [moved + 2, broken + 2]
    active = [alarm["kind"] for alarm in read_states(workspace)["alarms"] if alarm["until"] is None]
    assert active == ["topic", "encoding"]


def test_a_topic_that_falls_silent_is_an_alarm_until_texts_come_again(
    workspace: Workspace, params: Params
) -> None:
    hours, silent = LEARNING + 20, LEARNING + 5
    texts = flat(hours, 400, **{f"h{silent}": 0, f"h{silent + 8}": 60})
    windows = window_reports({"all": {}, "phones": {"texts": texts}, "trains": {}}, hours)

    alerts = watch_hourly(workspace, windows, params, first=LEARNING)

    assert [(end, alert.title, alert.requests_retrain) for end, alert in alerts] == [
        (silent + 2, "No texts of topic phones", False)
    ]
    assert "there is no text of topic phones; about 800 texts are usual" in alerts[0][1].message
    (alarm,) = read_states(workspace)["alarms"]
    assert (alarm["since"], alarm["until"]) == (start_of(silent), start_of(silent + 8))


def test_silence_of_all_topics_is_one_alarm(workspace: Workspace, params: Params) -> None:
    windows = window_reports({"all": {}, "phones": {}, "trains": {}}, LEARNING + 2)
    watch(workspace, windows, params)

    found = watch(workspace, windows, params, now=LEARNING + 6)
    again = watch(workspace, windows, params, now=LEARNING + 30)

    assert [(alarm["topic"], alarm["kind"]) for alarm in found.new_alarms] == [("all", "silence")]
    assert again.new_alarms == []


def test_a_topic_of_a_few_texts_a_day_is_not_missed_after_an_hour(
    workspace: Workspace, params: Params
) -> None:
    hours = LEARNING + 12
    windows = window_reports(
        {"all": {}, "phones": {"texts": np.where(np.arange(hours) % DAY == 9, 60, 0)}, "trains": {}}, hours
    )

    assert watch(workspace, windows, params).new_alarms == []


@pytest.mark.parametrize("factor", [10, 0.2])
def test_more_or_less_traffic_is_no_alarm(workspace: Workspace, params: Params, factor: float) -> None:
    hours = LEARNING + 60
    texts = flat(hours, 400, **{f"h{LEARNING + 5}": 400 * factor})
    windows = window_reports({"all": {}, "phones": {"texts": texts}, "trains": {}}, hours)

    assert watch(workspace, windows, params).new_alarms == []


@pytest.mark.parametrize(
    ("hours", "texts", "state", "words"),
    [
        (10, 400, "learning", "Learning what is usual under R1, until about 2026-01-09"),
        (LEARNING + 3, 3, "not judged", "Too few texts to judge: 3 in the newest window, and at least 50"),
        (LEARNING + 3, 40, "not judged", "Too few texts to judge: 40 in the newest window"),
        (LEARNING + 3, 0, "not judged", f"No text since the window from {start_of(LEARNING)}."),
        (LEARNING + 3, 400, "judged", f"Compared with what was usual from {start_of(0)}"),
    ],
)
def test_the_state_of_a_topic_is_a_plain_sentence(
    workspace: Workspace, params: Params, hours: int, texts: int, state: str, words: str
) -> None:
    counts = flat(hours, 400)
    counts[LEARNING + 1 :] = texts
    windows = window_reports({"all": {}, "phones": {"texts": counts}, "trains": {}}, hours)

    topic = watch(workspace, windows, params).states["topics"]["phones"]

    assert topic["state"] == state
    assert topic["sentence"].startswith(words)


def test_a_topic_on_its_first_day_is_learnt_while_the_others_are_judged(
    workspace: Workspace, params: Params
) -> None:
    hours = LEARNING + 20
    new = flat(hours, 0, **{f"h{LEARNING + 5}": 400})
    windows = window_reports({"all": {}, "phones": {}, "new": {"texts": new}}, hours)

    states = watch(workspace, windows, params).states["topics"]

    assert (states["new"]["state"], states["phones"]["state"]) == ("learning", "judged")


def test_a_clock_set_back_while_learning_does_not_end_the_learning_time(
    workspace: Workspace, params: Params
) -> None:
    windows = window_reports({"all": {}}, 10)
    windows[0]["window"] = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-01T01:00:00Z"}

    state = watch(workspace, windows, params).states["topics"]["all"]

    assert state["state"] == "learning"


def test_no_window_is_no_state(workspace: Workspace, params: Params) -> None:
    changes = find_changes(workspace, [], now=start_of(0), params=params)

    assert (changes.states["topics"], changes.new_alarms, changes.new_change_points) == ({}, (), {})


def test_windows_of_earlier_versions_are_read_and_nothing_is_claimed(
    workspace: Workspace, params: Params
) -> None:
    windows = window_reports({"all": {}}, LEARNING + 20, profile=False)

    changes = watch(workspace, windows, params)

    assert (changes.new_alarms, changes.new_change_points) == ([], {})
    assert changes.states["topics"]["all"]["state"] == "not judged"


def test_one_event_is_one_alert_ever(workspace: Workspace, params: Params) -> None:
    hours, moved = LEARNING + 100, LEARNING + 10
    random = np.random.default_rng(5)
    change = flat(hours, 0.0, **{f"h{moved}": 0.15})
    shares = label_shares(hours, random, cycle=0.02, spread=0.005, change=change)
    windows = window_reports({"all": {}, "phones": {"shares": shares}, "trains": {}}, hours)

    alerts = watch_hourly(workspace, windows, params, first=LEARNING, every=5)

    assert read_states(workspace)["alarms"][0]["kind"] == "label"
    assert len(read_change_points(workspace)["phones"]) >= 2
    assert [(alert.topic, alert.kind) for _, alert in alerts] == [("phones", "drift")]
    assert alerts[0][0] <= moved + 24


def test_a_pass_that_was_killed_finds_the_same_alerts_again(workspace: Workspace, params: Params) -> None:
    hours = LEARNING + 12
    unknown = flat(hours, 0.004, **{f"h{LEARNING + 8}": 0.15})
    windows = window_reports({"all": {}, "phones": {"unknown": unknown}, "trains": {}}, hours)
    killed = find_changes(workspace, windows, now=start_of(hours), params=params)

    changes = watch(workspace, windows, params, now=hours + 1)

    first, second = (
        [(alert.key, alert.time) for alert in alerts_from_changes(one.new_alarms, {}, params=params)]
        for one in (killed, changes)
    )
    assert first == second != []
    assert watch(workspace, windows, params, now=hours + 1).new_alarms == []


def test_change_points_stay_as_they_were_found_when_a_topic_appears_and_the_bound_moves(
    workspace: Workspace, params: Params
) -> None:
    hours, moved = LEARNING + 90, LEARNING + 40
    random = np.random.default_rng(5)
    change = flat(hours, 0.0, **{f"h{moved}": 0.2})
    shares = label_shares(hours, random, cycle=0.0, spread=0.0, change=change)
    topics: dict[str, Any] = {"all": {}, "phones": {"shares": shares}, "trains": {}}
    new = {**topics, "new": {"texts": flat(hours, 0, **{f"h{moved + 20}": 400})}}
    found = watch(workspace, window_reports(new, hours)[: moved + 18], params)
    looser = params.model_copy(
        update={"watch": params.watch.model_copy(update={"false_alarms_per_quarter": 100.0})}
    )

    later = watch(workspace, window_reports(new, hours), looser)

    assert {point["label"] for point in found.change_points["phones"]} == {"negative", "neutral", "positive"}
    assert later.change_points["phones"][:3] == found.change_points["phones"]
    assert "phones" not in later.new_change_points


def test_a_new_release_is_learnt_anew_while_language_is_judged_on(
    workspace: Workspace, params: Params
) -> None:
    hours, new, foreign = LEARNING + 40, LEARNING + 20, LEARNING + 30
    settings = {
        "axis": flat(hours, 0.0, **{f"h{LEARNING + 5}": 1.0}),
        "foreign": flat(hours, 0.003, **{f"h{foreign}": 0.3}),
    }
    windows = window_reports(
        {"all": {}, "phones": settings, "trains": {}},
        hours,
        release=lambda hour: "R2" if hour >= new else "R1",
    )

    alarms = watch(workspace, windows, params).states["alarms"]

    assert [(alarm["kind"], alarm["until"]) for alarm in alarms] == [
        ("topic", start_of(new)),
        ("language", None),
    ]
    state = read_states(workspace)["topics"]["phones"]
    assert state["state"] == "learning"
    assert "Language and length are compared with what was usual before." in state["sentence"]


def test_topics_beyond_the_judged_ones_are_named_as_such(workspace: Workspace, params: Params) -> None:
    few = params.model_copy(update={"watch": params.watch.model_copy(update={"max_judged_topics": 1})})
    topics = {name: {"texts": 100} for name in ("all", "a", "b", "c", "d")}

    states = watch(workspace, window_reports(topics, LEARNING + 3), few).states["topics"]

    assert [topic for topic, state in states.items() if state["state"] == "judged"] == ["all", "a", "b"]
    assert "watch.max_judged_topics" in states["d"]["sentence"]


def test_change_points_of_an_early_version_stay_and_are_not_alerted_again(
    workspace: Workspace, params: Params
) -> None:
    old = {"time": start_of(10), "label": "negative", "before": 0.2, "after": 0.4, "change": 0.2}
    workspace.windows.mkdir(parents=True)
    events = workspace.windows / "events.json"
    found = {**old, "low": 0.1, "high": 0.3, "found": start_of(12)}
    events.write_text(json.dumps({"phones": [found]}), "utf-8")
    windows = window_reports({"all": {}, "phones": {}, "trains": {}}, 40, profile=False)

    changes = watch(workspace, windows, params)

    assert (changes.new_change_points, len(changes.change_points["phones"])) == ({}, 1)
    assert read_change_points(workspace)["phones"][0]["detected"] == start_of(12)
