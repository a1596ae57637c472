"""A table of past texts is predicted and reported in the windows they were written in."""

import csv
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import running_service
from journal_fixtures import EIGHT
from world import TEXTS

from pipeline.__main__ import run_command
from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.base.times import format_seconds
from pipeline.io import alerts, files
from pipeline.io.journal.journal import Journal
from pipeline.io.params_file import load_params
from pipeline.monitoring.past import replay
from pipeline.monitoring.past.entries import topic_name
from pipeline.monitoring.past.history import HistoryRequest, journal_history
from pipeline.monitoring.past.replay import replay_file
from pipeline.monitoring.watch import run_watch

pytestmark = pytest.mark.served(10)
NOW = format_seconds(EIGHT)
SINCE = format_seconds(EIGHT - timedelta(days=10))
Table = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Return a function that writes a year of texts: so many in an hour of each of some days."""

    def _table(days: int = 4, size: int = 60) -> Path:
        path = tmp_path / "history.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["key", "body", "when", "brand"])
            for day in range(days):
                start = EIGHT - timedelta(days=3 * (day + 1))
                for number in range(size):
                    written = format_seconds(start + timedelta(seconds=number))
                    text = f"{TEXTS[number % len(TEXTS)].text} and no {number}"
                    writer.writerow([f"p{day}-{number}", text, written, ("Acme phones", "zeta")[number % 2]])
        return path

    return _table


def windows(places: Workspace) -> dict[str, Any]:
    return {path.stem: files.read_json(path) for path in sorted(places.windows.glob("2*.json"))}


def test_each_text_counts_in_the_window_it_was_written_in(places: Workspace, table: Table) -> None:
    history, replayed = replay_file(places, HistoryRequest(table()), now=NOW)

    assert history.columns == {"text": "body", "time": "when", "topic": "brand", "id": "key"}
    assert (history.rows, history.predicted, history.renamed) == (240, 240, {"Acme phones": "Acme-phones"})
    assert replayed is not None
    assert (len(replayed["windows"]), replayed["predictions"]) == (4, 240)
    assert {one["topics"]["Acme-phones"]["texts"] for one in windows(places).values()} == {30}
    assert alerts.list_outbox(places.alerts) == []


def test_the_same_table_again_changes_nothing(places: Workspace, table: Table) -> None:
    replay_file(places, HistoryRequest(table()), now=NOW)
    before = windows(places)

    history, replayed = replay_file(places, HistoryRequest(table()), now=NOW)

    assert (history.predicted, history.reported, replayed) == (0, 240, None)
    assert windows(places) == before
    assert Journal.reading(places.journal).count("2000", "9999") == 240


def test_a_table_that_grew_adds_its_new_windows(places: Workspace, table: Table) -> None:
    replay_file(places, HistoryRequest(table(days=2)), now=NOW)

    history, replayed = replay_file(places, HistoryRequest(table(days=3)), now=NOW)

    assert (history.reported, history.predicted) == (120, 60)
    assert replayed is not None
    assert len(replayed["windows"]) == 1
    assert len(windows(places)) == 3


def test_an_import_that_died_goes_on_and_stores_no_text_twice(
    places: Workspace, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: Any, **_more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(replay, "replay_watch", die)
        with pytest.raises(KeyboardInterrupt):
            replay_file(places, HistoryRequest(table()), now=NOW)
    assert windows(places) == {}

    later = format_seconds(EIGHT + timedelta(hours=5))
    replay_file(places, HistoryRequest(table()), now=later)

    assert Journal.reading(places.journal).count("2000", "9999") == 240
    assert {one["predictions"] for one in windows(places).values()} == {60}


def test_rows_that_are_no_use_are_counted_by_reason(places: Workspace, table: Table) -> None:
    path = table(days=1)
    with path.open("a", encoding="utf-8") as file:
        file.write("a,,2026-01-01T00:00:00Z,x\nb,no time,,x\nc,tomorrow,2199-01-01T00:00:00Z,x\n")
        file.write("d,one cell too many,2026-01-01T00:00:00Z,x,y,z\n")

    history, _ = replay_file(places, HistoryRequest(path), now=NOW)

    assert (history.rows, history.predicted) == (64, 60)
    reasons = (history.without_text, history.without_time, history.outside, history.unreadable)
    assert reasons == (1, 1, 1, 1)


@pytest.mark.slow
def test_a_span_leaves_out_the_rest(places: Workspace, table: Table) -> None:
    since = EIGHT - timedelta(days=7)

    history, replayed = replay_file(places, HistoryRequest(table(), since=since), now=NOW)

    assert (history.predicted, history.outside) == (120, 120)
    assert replayed is not None
    assert len(replayed["windows"]) == 2


def test_a_history_is_not_called_late_by_the_next_pass(places: Workspace, table: Table) -> None:
    replay_file(places, HistoryRequest(table()), now=NOW)

    summary = run_watch(places, now=format_seconds(EIGHT + timedelta(hours=6)))

    assert (summary["windows"], summary["too_late"]) == ([], 0)


def test_a_table_without_times_names_its_columns(places: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("body,stars\n" + "a fine day it is,5\n" * 20, "utf-8")

    with pytest.raises(
        UsageError, match=r"no column that is surely one of times.*--columns time=COLUMN.*stars"
    ):
        replay_file(places, HistoryRequest(path), now=NOW)
    with pytest.raises(UsageError, match=r"no column 'when'"):
        replay_file(places, HistoryRequest(path, {"time": "when"}), now=NOW)


def test_the_command_names_columns_and_says_what_was_left_out(
    places: Workspace, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    def watch(*arguments: str) -> tuple[int, str]:
        code = run_command(["watch", *arguments, "--now", NOW, "--workspace", str(places.root)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    path = str(table())
    code, said = watch("--file", path, "--columns", "text=body,time=when", "--from", SINCE)
    assert code == 0
    assert "Rows: 240, of which 180 were predicted" in said
    assert "left out: 60 outside of --from and --to" in said
    assert "Windows of the past: 3, with 180 predictions." in said
    assert watch("--file", path, "--columns", "body")[0] == 2
    assert watch("--columns", "text=body")[0] == 2
    assert watch("--file", path + ".gone")[0] == 2
    assert "No window is new" in watch("--file", path, "--from", SINCE)[1]
    assert "left out: 180 in windows that have a report" in watch("--file", path, "--from", SINCE)[1]


@pytest.mark.parametrize(
    ("written", "name"),
    [("phones", "phones"), ("", "general"), ("Acme phones", "Acme-phones"), ("a/b c", "a-b-c")],
)
def test_a_topic_keeps_its_letters(written: str, name: str) -> None:
    assert topic_name(written) == name


@pytest.mark.parametrize(
    "written", ["手机", "Ärger", "all", "other", "joe@example.com", "@joe_smith_77", "x" * 200]
)
def test_a_topic_that_cannot_be_kept_is_named_by_its_digest(written: str) -> None:
    assert topic_name(written).startswith("topic-")
    assert topic_name(written) != topic_name(written + "2")


def test_past_texts_are_predicted_for_their_targets(tmp_path: Path) -> None:
    settings = {"task": "aspect", "preparation": "2-targets"}
    words = {"soup": "negative", "waiter": "positive"}
    workspace = running_service.serve_toy(tmp_path / "w", words, settings)
    path, params = tmp_path / "past.csv", load_params(workspace.params)
    written = format_seconds(EIGHT - timedelta(days=1))
    rows = [[f"a fine visit number {number}", written, what] for number in range(9) for what in (*words, "")]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["body", "when", "what"], *rows])

    with pytest.raises(UsageError, match="no column that is surely one of targets"):
        journal_history(workspace, HistoryRequest(path), params=params, now=EIGHT)
    request = HistoryRequest(path, {"target": "what"})
    history = journal_history(workspace, request, params=params, now=EIGHT)
    entries = Journal.reading(workspace.journal).predictions("", "9999")

    assert (history.predicted, history.without_text) == (18, 9)
    assert {(entry.text.partition("\n")[2], entry.label) for entry in entries} == set(words.items())
