"""What the dashboard shows: gathered from what others leave, and whole also where they left nothing or something broken."""

import json
import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import seen

from pipeline.base.config import Workspace
from pipeline.base.errors import Unreachable
from pipeline.base.records import Alert
from pipeline.io import alerts
from pipeline.io.registry.ledger import Ledger
from pipeline.operations import dashboard_charts, dashboard_data, schedule
from pipeline.operations.dashboard_data import CachedLookup, DashboardData

CHECKOUT = Path(__file__).parents[2]
STAMPS = 24


@pytest.fixture
def places(tmp_path: Path) -> Workspace:
    shutil.copyfile(CHECKOUT / "params.yaml", tmp_path / "params.yaml")
    found = Workspace.of(tmp_path, {})
    seen.write(found.windows, windows=STAMPS)
    return found


def windows(places: Workspace) -> list[Path]:
    return sorted(places.windows.glob("2*.json"))


def test_topics_come_with_all_together_first_and_then_by_their_texts(places: Workspace) -> None:
    assert DashboardData(places).page(None)["topics"] == ["all", "phones", "trains"]


def test_the_tone_of_a_topic_is_drawn_with_the_change_of_model_and_the_event(places: Workspace) -> None:
    found = DashboardData(places).page("phones")["tone"].value

    assert [line.name for line in found["plot"].lines] == ["negative", "neutral", "positive"]
    assert [mark.label for mark in found["plot"].marks] == ["R1 → R2"]
    assert [event.kind for event in found["plot"].events] == ["negative rising"]
    assert "negative rose from 24.0% to 41.0%" in found["events"][0]["told"]
    assert "on 400 texts that both answered it moved negative -2.0%" in found["breaks"][0]["told"]
    assert len(found["rows"]) == STAMPS - 1
    # One window of the night is missing, so the line is in two parts.
    assert found["plot"].lines[0].path.count("M") == 2


def test_shares_that_could_not_be_corrected_are_said_to_be_counts_and_why(places: Workspace) -> None:
    assert DashboardData(places).page("phones")["tone"].value["uncorrected"] is None
    document = json.loads(windows(places)[-1].read_text())
    for one in document["topics"]["phones"]["shares"].values():
        one |= {"corrected": False, "why": "it has no test texts of some label"}
    windows(places)[-1].write_text(json.dumps(document))

    assert (
        DashboardData(places).page("phones")["tone"].value["uncorrected"]
        == "it has no test texts of some label"
    )


def test_what_came_before_a_change_of_model_is_shifted_by_what_it_did(places: Workspace) -> None:
    first = json.loads(windows(places)[0].read_text())["topics"]["phones"]["shares"]["negative"]["share"]

    shown = DashboardData(places).page("phones")["tone"].value["rows"][-1]["shares"]["negative"].value

    assert shown == pytest.approx(first - 0.02)


def test_a_change_of_model_that_nobody_measured_is_said_to_be_unknown(places: Workspace) -> None:
    for path in windows(places):
        document = json.loads(path.read_text())
        if document["break"]:
            document["break"] |= {"labels": None, "texts": 0, "why": "too few texts"}
            path.write_text(json.dumps(document))

    (found,) = DashboardData(places).page(None)["tone"].value["breaks"]

    assert (found["bridged"], found["told"]) == (False, "what it did is not known: too few texts")


def test_alarms_in_a_row_are_one_with_the_texts_that_moved_it(places: Workspace) -> None:
    found = DashboardData(places).page("phones")["drift"].value

    (alarm,) = found["alarms"]
    assert (alarm["kind"], len(alarm["examples"]), alarm["windows"] > 1) == ("topic", 10, True)
    assert alarm["examples"][0] == "7f3a9c00/0"
    assert found["plot"].lanes[0].name == dashboard_charts.TOGETHER
    assert "alarm" in found["plot"].lanes[0].stretches


def test_an_unknown_topic_shows_all_of_them_and_says_so(places: Workspace) -> None:
    found = DashboardData(places).page("no such <topic>")

    assert (found["topic"], found["known"]) == ("all", False)


def test_only_the_newest_windows_are_drawn(places: Workspace) -> None:
    params = places.params.read_text("utf-8").replace("shown_windows: 336", "shown_windows: 5")
    places.params.write_text(params, "utf-8")

    assert len(DashboardData(places).page(None)["windows"].value) == 5


def test_a_window_that_is_none_is_passed_over_and_the_rest_is_drawn(places: Workspace) -> None:
    broken = ["", "{", "[]", "3", '{"window": 3}', '{"window": {"start": "x", "end": "y"}, "topics": {}}']
    for path, content in zip(windows(places), broken, strict=False):
        path.write_text(content)

    assert len(DashboardData(places).page(None)["tone"].value["rows"]) == STAMPS - 1 - len(broken)


def test_a_window_of_another_shape_costs_the_charts_and_not_the_page(places: Workspace) -> None:
    path = windows(places)[3]
    document = json.loads(path.read_text())
    document["topics"]["all"]["drift"] = {"detectors": 7}
    path.write_text(json.dumps(document))

    found = DashboardData(places).page(None)

    assert "cannot be drawn" in found["drift"].fault
    assert found["tone"].value["rows"]


def test_nothing_at_all_is_an_empty_page(tmp_path: Path) -> None:
    found = DashboardData(Workspace.of(tmp_path, {})).page(None)

    assert [found[name].value for name in ("tone", "drift", "quality")] == [None] * 3
    assert (found["topics"], found["alerts"].value, found["champion"].value["current"]) == ([], [], None)
    assert "params.yaml" in found["params"].fault


def test_a_ledger_that_is_down_costs_its_own_card(places: Workspace) -> None:
    found = DashboardData(replace(places, ledger=f"sqlite:///{places.params}/ledger.db")).page(None)

    assert found["champion"].value is None
    assert found["champion"].fault
    assert found["tone"].value["rows"]


def test_a_workspace_without_git_has_no_data_versions_and_says_why(places: Workspace) -> None:
    found = DashboardData(places).page(None)["versions"]

    assert found.value is None
    assert "git" in found.fault


def test_data_versions_are_those_of_the_workspace(workspace: Path) -> None:
    assert DashboardData(Workspace.of(workspace, {})).page(None)["versions"].value == []


def test_an_address_with_a_password_is_no_link(places: Workspace) -> None:
    assert dashboard_data.links(replace(places, mlflow="http://ml:5000"), "http://prefect:4200/api") == {
        "MLflow": "http://ml:5000",
        "Prefect": "http://prefect:4200",
    }
    assert (
        dashboard_data.links(replace(places, mlflow="http://ada:secret@ml:5000"), "javascript:alert(1)") == {}
    )


def test_alerts_come_newest_first_with_what_became_of_them(places: Workspace) -> None:
    one = Alert(
        "drift/all/topic",
        "drift",
        "all",
        "2026-11-25T07:00:00Z",
        "Drift",
        "m",
        requests_retrain=True,
        link="javascript:alert(1)",
    )
    alerts.add_alerts(places.alerts, [one, replace(one, key="b", title="Later", link="/topics/x")])

    found = DashboardData(places).page(None)["alerts"].value

    assert [(one["title"], one["state"], one["link"]) for one in found] == [
        ("Later", "kept here", "/topics/x"),
        ("Drift", "kept here", ""),
    ]


def test_flows_that_run_come_first_and_the_last_of_each_kind_after(places: Workspace) -> None:
    due = datetime(2026, 11, 25, 8, tzinfo=UTC)
    with schedule.take_turn(places, "watch", run="one", due=due, now=due):
        pass
    notes = schedule.folder(places)
    (notes / "retrain.json").write_text(
        json.dumps({"sequence": 3, "run": "gone", "due": "d", "began": "2026-11-24T03:00:00Z", "dues": ["x"]})
    )
    (notes / "audit.json").write_text("{")

    found = DashboardData(places).page(None)["runs"].value

    assert [(one["flow"], one["run"], one["state"]) for one in found] == [
        ("watch", "one", "running"),
        ("retrain", "gone", "ended"),
    ]
    assert found[1]["past"] == ["x"]


def test_the_champion_and_its_reasons_come_from_the_ledger(places: Workspace) -> None:
    ledger = Ledger(places.ledger)
    for identity in ("one", "two"):
        ledger.add(
            {
                "identity": identity,
                "approval": "none",
                "decision": {"accepted": True, "reasons": []},
                "evaluation": {"macro_f1": 0.7},
            }
        )
    ledger.move(expected=None, target="R1", actor="ada", reason="first")
    ledger.move(expected="R1", target="R2", actor="bob", reason="<b>better</b>")

    found = DashboardData(places).page(None)["champion"].value

    assert (found["current"], found["previous"]) == ("R2", "R1")
    assert [(one["to"], one["actor"], one["reason"], one["told"]) for one in found["reigns"]] == [
        ("R2", "bob", "<b>better</b>", "took over from"),
        ("R1", "ada", "first", "was the first"),
    ]


def test_a_look_that_hangs_is_told_in_time_and_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, looks = threading.Event(), []

    def hang() -> None:
        looks.append(1)
        ended.wait(10)

    look = CachedLookup(hang)
    before = time.monotonic()
    parts = [dashboard_data._waited("ledger", look.start(), 0.05) for _ in range(5)]
    ended.set()

    assert time.monotonic() - before < 2
    assert [part.value for part in parts] == [None] * 5
    assert "does not answer" in str(parts[0].fault)
    assert len(looks) == 1


def test_many_readers_at_once_cost_one_look() -> None:
    looks: list[int] = []

    def slow() -> int:
        time.sleep(0.05)
        looks.append(1)
        return len(looks)

    look = CachedLookup(slow)

    assert {look.start().result() for _ in range(50)} == {1}


def test_a_look_that_failed_is_taken_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_data, "FRESH_SECONDS", 0.0)
    found = iter([Unreachable("down"), None])

    def sometimes() -> str:
        if error := next(found):
            raise error
        return "there"

    look = CachedLookup(sometimes)
    assert dashboard_data._waited("x", look.start(), 1).fault == "down"
    time.sleep(0.01)
    assert dashboard_data._waited("x", look.start(), 1).value == "there"
