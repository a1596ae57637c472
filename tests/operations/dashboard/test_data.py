"""The data of the dashboard, also where a store is empty, slow or broken."""

import json
import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import window_fixtures

from pipeline.base.config import Workspace
from pipeline.base.errors import Unreachable
from pipeline.base.records import Alert
from pipeline.io import alerts
from pipeline.io.registry.ledger import Ledger
from pipeline.operations import schedule
from pipeline.operations.dashboard import data, quality
from pipeline.operations.dashboard.data import CachedLookup, DashboardData, DashboardPage

CHECKOUT = Path(__file__).parents[3]
STAMPS = 24


@pytest.fixture
def places(tmp_path: Path) -> Workspace:
    shutil.copyfile(CHECKOUT / "params.yaml", tmp_path / "params.yaml")
    workspace = Workspace.of(tmp_path, {})
    window_fixtures.write(workspace.windows, windows=STAMPS)
    return workspace


def page(places: Workspace, topic: str | None = None) -> DashboardPage:
    found = DashboardData(places)
    return found.page(found.cards(), topic)


def windows(places: Workspace) -> list[Path]:
    return sorted(places.windows.glob("2*.json"))


def test_all_texts_come_first_and_then_topics_by_their_texts(places: Workspace) -> None:
    assert page(places)["topics"] == ["all", "phones", "trains"]


def test_prevalence_is_drawn_with_model_changes_and_change_points(places: Workspace) -> None:
    chart = page(places, "phones")["prevalence"].value

    assert [line.name for line in chart["plot"].lines] == ["negative", "neutral", "positive"]
    assert [mark.label for mark in chart["plot"].marks] == ["R1 → R2"]
    assert [event.kind for event in chart["plot"].events] == ["negative rising"]
    assert "negative rose from 24.0% to 41.0%" in chart["change_points"][0].description
    assert (
        "on 400 texts predicted by both it moved negative -2.0%" in chart["model_changes"][0]["description"]
    )
    assert len(chart["rows"]) == STAMPS - 1
    # One window of the night is missing, so the line is in two parts.
    assert chart["plot"].lines[0].path.count("M") == 2


def test_uncorrected_shares_are_marked_with_the_reason(places: Workspace) -> None:
    assert page(places, "phones")["prevalence"].value["uncorrected"] is None
    document = json.loads(windows(places)[-1].read_text())
    for entry in document["topics"]["phones"]["prevalence"].values():
        entry |= {"corrected": False, "method": "none", "low": 0.0, "high": 1.0, "why": "it has no labels"}
    windows(places)[-1].write_text(json.dumps(document))

    chart = page(places, "phones")["prevalence"].value
    assert (chart["uncorrected"], chart["method"]) == ("it has no labels", "not corrected")
    # No interval is drawn, and a line marks where the method changes.
    newest = chart["latest"]["negative"]
    assert newest.low == newest.value == newest.high
    assert [mark.label for mark in chart["plot"].marks] == ["R1 → R2", "not corrected"]
    assert [row["method"] for row in chart["rows"][:2]] == ["not corrected", "corrected by audit labels"]


def test_shares_that_audit_labels_correct_are_not_shifted(places: Workspace) -> None:
    first = json.loads(windows(places)[0].read_text())["topics"]["phones"]["prevalence"]["negative"]["share"]
    chart = page(places, "phones")["prevalence"].value

    assert chart["rows"][-1]["prevalence"]["negative"].value == first
    assert [(change["bridged"], change["corrected"]) for change in chart["model_changes"]] == [(False, True)]


def test_values_before_a_change_of_the_model_are_shifted_by_its_effect(places: Workspace) -> None:
    window_fixtures.write(places.windows, windows=STAMPS, method="confusion")
    first = json.loads(windows(places)[0].read_text())["topics"]["phones"]["prevalence"]["negative"]["share"]

    shown = page(places, "phones")["prevalence"].value["rows"][-1]["prevalence"]["negative"].value

    assert shown == pytest.approx(first - 0.02)


def test_an_unmeasured_change_of_the_model_is_said_to_be_unknown(places: Workspace) -> None:
    for path in windows(places):
        document = json.loads(path.read_text())
        if document["model_change"]:
            document["model_change"] |= {"labels": None, "texts": 0, "why": "too few texts"}
            path.write_text(json.dumps(document))

    (change,) = page(places)["prevalence"].value["model_changes"]

    assert (change["bridged"], change["description"]) == (False, "its effect is unknown: too few texts")


def test_consecutive_alarms_are_merged_with_their_examples(places: Workspace) -> None:
    chart = page(places, "phones")["drift"].value

    (alarm,) = chart["alarms"]
    assert (alarm["kind"], len(alarm["examples"]), alarm["windows"] > 1) == ("topic", 10, True)
    assert alarm["examples"][0] == "7f3a9c00/0"
    assert chart["plot"].lanes[0].name == quality.ALL_DETECTORS
    assert "alarm" in chart["plot"].lanes[0].states


def test_an_unknown_topic_shows_all_texts_and_says_so(places: Workspace) -> None:
    shown = page(places, "no such <topic>")

    assert (shown["topic"], shown["known"]) == ("all", False)


def test_only_the_newest_windows_are_drawn(places: Workspace) -> None:
    params = places.params.read_text("utf-8").replace("shown_windows: 336", "shown_windows: 5")
    places.params.write_text(params, "utf-8")

    assert len(page(places)["prevalence"].value["rows"]) == 5


def test_a_broken_window_file_is_skipped_and_the_rest_is_drawn(places: Workspace) -> None:
    broken = ["", "{", "[]", "3", '{"window": 3}', '{"window": {"start": "x", "end": "y"}, "topics": {}}']
    for path, content in zip(windows(places), broken, strict=False):
        path.write_text(content)

    assert len(page(places)["prevalence"].value["rows"]) == STAMPS - 1 - len(broken)


def test_windows_of_an_earlier_version_give_the_same_charts(places: Workspace) -> None:
    cards = ("prevalence", "drift", "quality")
    window_fixtures.write(places.windows, windows=STAMPS, method="confusion")
    today = page(places, "phones")
    for path in windows(places):
        window_fixtures.downgrade(path)

    earlier = page(places, "phones")

    assert [earlier[card] for card in cards] == [today[card] for card in cards]
    assert today["prevalence"].value["model_changes"]


def test_a_malformed_window_costs_its_charts_and_not_the_page(places: Workspace) -> None:
    path = windows(places)[3]
    document = json.loads(path.read_text())
    document["topics"]["all"]["drift"] = {"detectors": 7}
    path.write_text(json.dumps(document))

    shown = page(places)

    assert "cannot be drawn" in shown["drift"].fault
    assert shown["prevalence"].value["rows"]


def test_an_empty_workspace_is_an_empty_page(tmp_path: Path) -> None:
    shown = page(Workspace.of(tmp_path, {}))

    assert [shown[name].value for name in ("prevalence", "drift", "quality")] == [None] * 3
    assert (shown["topics"], shown["alerts"].value, shown["champion"].value["current"]) == (
        [],
        [],
        None,
    )
    assert "params.yaml" in shown["params"].fault


def test_a_ledger_that_is_down_costs_its_own_card(places: Workspace) -> None:
    shown = page(replace(places, ledger=f"sqlite:///{places.params}/ledger.db"))

    assert shown["champion"].value is None
    assert shown["champion"].fault
    assert shown["prevalence"].value["rows"]


def test_a_workspace_without_git_has_no_data_versions_and_says_why(places: Workspace) -> None:
    shown = page(places)["versions"]

    assert shown.value is None
    assert "git" in shown.fault


def test_data_versions_are_those_of_the_workspace(workspace: Path) -> None:
    assert page(Workspace.of(workspace, {}))["versions"].value == []


def test_an_address_with_a_password_is_no_link(places: Workspace) -> None:
    assert data.links(replace(places, mlflow="http://ml:5000"), "http://prefect:4200/api") == {
        "MLflow": "http://ml:5000",
        "Prefect": "http://prefect:4200",
    }
    assert data.links(replace(places, mlflow="http://ada:secret@ml:5000"), "javascript:alert(1)") == {}


def test_alerts_come_newest_first_with_their_delivery(places: Workspace) -> None:
    alert = Alert(
        "drift/all/topic",
        "drift",
        "all",
        "2026-11-25T07:00:00Z",
        "Drift",
        "m",
        requests_retrain=True,
        link="javascript:alert(1)",
    )
    alerts.add_alerts(places.alerts, [alert, replace(alert, key="b", title="Later", link="/topics/x")])

    entries = page(places)["alerts"].value

    assert [(entry["title"], entry["state"], entry["link"]) for entry in entries] == [
        ("Later", "not sent: no address is set", "/topics/x"),
        ("Drift", "not sent: no address is set", ""),
    ]


def test_running_flows_come_before_the_last_run_of_each_kind(places: Workspace) -> None:
    due = datetime(2026, 11, 25, 8, tzinfo=UTC)
    with schedule.take_turn(places, "watch", run="one", due=due, now=due):
        pass
    notes = schedule.folder(places)
    (notes / "retrain.json").write_text(
        json.dumps({"sequence": 3, "run": "gone", "due": "d", "began": "2026-11-24T03:00:00Z", "dues": ["x"]})
    )
    (notes / "audit.json").write_text("{")

    runs = page(places)["runs"].value

    assert [(run["flow"], run["run"], run["state"]) for run in runs] == [
        ("watch", "one", "running"),
        ("retrain", "gone", "ended"),
    ]
    assert runs[1]["due_times"] == ["x"]


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

    history = page(places)["champion"].value

    assert (history["current"], history["previous"]) == ("R2", "R1")
    assert [
        (reign["to"], reign["actor"], reign["reason"], reign["description"]) for reign in history["reigns"]
    ] == [
        ("R2", "bob", "<b>better</b>", "took over from"),
        ("R1", "ada", "first", "was the first"),
    ]


def test_a_hanging_lookup_times_out_and_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, runs = threading.Event(), []

    def hang() -> None:
        runs.append(1)
        ended.wait(10)

    lookup = CachedLookup(hang)
    before = time.monotonic()
    cards = [data._await_card("ledger", lookup.start(), 0.05) for _ in range(5)]
    ended.set()

    assert time.monotonic() - before < 2
    assert [card.value for card in cards] == [None] * 5
    assert "No response" in str(cards[0].fault)
    assert len(runs) == 1


def test_concurrent_readers_share_one_lookup() -> None:
    runs: list[int] = []

    def slow() -> int:
        time.sleep(0.05)
        runs.append(1)
        return len(runs)

    lookup = CachedLookup(slow)

    assert {lookup.start().result() for _ in range(50)} == {1}


def test_a_failed_lookup_is_repeated_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "FRESH_SECONDS", 0.0)
    outcomes = iter([Unreachable("down"), None])

    def sometimes() -> str:
        if error := next(outcomes):
            raise error
        return "there"

    lookup = CachedLookup(sometimes)
    assert data._await_card("x", lookup.start(), 1).fault == "down"
    time.sleep(0.01)
    assert data._await_card("x", lookup.start(), 1).value == "there"
