"""Texts out to a labelling tool and labels back in: the shapes of the tools, and every wrong file."""

import csv
import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from audit_fixtures import light_workspace, set_audit
from journal_fixtures import EIGHT, ENTRY, stamp

from pipeline.__main__ import run_command
from pipeline.base.config import Workspace
from pipeline.base.errors import DataRejected, UsageError
from pipeline.base.times import format_seconds
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.params_file import load_params
from pipeline.monitoring import audit_labels
from pipeline.operations.label_exchange import LabelImport, export_queue, import_labels

TEXTS = ["so good", "=HYPERLINK(1)", 'not\nbad, "they" say', "Zoë 👍"]
GIVEN = ["positive", "neutral", "negative", "positive"]


@pytest.fixture
def places(tmp_path: Path) -> Workspace:
    """Return a workspace whose queue holds TEXTS."""
    return _places(tmp_path / "w")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return one for the tests that leave no other labels than the first import does."""
    return _places(tmp_path_factory.mktemp("shared") / "w")


def _places(root: Path) -> Workspace:
    places = light_workspace(root)
    set_audit(places, per_topic_per_day=2400, second_opinion=0)
    journal = Journal(places.journal, retention_days=90)
    journal.append(
        [
            dataclasses.replace(
                ENTRY,
                request=request_id(EIGHT),
                time=stamp(EIGHT),
                text=text,
                cluster=f"c{number}",
                text_id=f"t{number}",
            )
            for number, text in enumerate(TEXTS)
        ]
    )
    journal.close()
    now = format_seconds(EIGHT + timedelta(hours=2))
    assert audit_labels.draw(places, now=now, params=load_params(places.params)) == 4
    return places


def export(places: Workspace, name: str, **changes: Any) -> Path:
    out = places.root / name
    defaults = {"shape": None, "topic": "", "annotator": "", "replace": False}
    assert export_queue(places, out, **(defaults | changes)) == len(TEXTS)
    return out


def take(places: Workspace, path: Path, **changes: Any) -> LabelImport:
    return import_labels(places, path, **({"annotator": "ann", "replace": False} | changes))


def labels(places: Workspace) -> dict[str, tuple[str, str]]:
    """Return the label and annotator of each cluster."""
    return {one.cluster: (one.label, one.annotator) for one in audit_labels.read_audit_labels(places)}


def label_of(text: str) -> str:
    return next(
        given for own, given in zip(TEXTS, GIVEN, strict=True) if own in (text, text.removeprefix("'"))
    )


def in_label_studio(path: Path) -> list[Any]:
    """Label the exported tasks as Label Studio exports them."""
    return [
        {
            "id": number,
            "data": task["data"],
            "annotations": [
                {
                    "completed_by": {"id": 7, "email": "ann@x.example"},
                    "was_cancelled": False,
                    "result": [
                        {
                            "type": "choices",
                            "from_name": "sentiment",
                            "to_name": "text",
                            "value": {"choices": [label_of(task["data"]["text"])]},
                        }
                    ],
                }
            ],
        }
        for number, task in enumerate(json.loads(path.read_text("utf-8")))
    ]


def test_label_studio_tasks_come_back_as_labels(places: Workspace) -> None:
    path = export(places, "tasks.json")
    path.write_text(json.dumps(in_label_studio(path)), "utf-8")

    result = take(places, path)

    assert (result.imported, result.refused) == (4, [])
    assert labels(places) == {f"c{number}": (given, "ann@x.example") for number, given in enumerate(GIVEN)}


def test_the_flat_export_of_label_studio_comes_back_as_labels(places: Workspace) -> None:
    path = export(places, "tasks.json")
    tasks = json.loads(path.read_text("utf-8"))
    rows = [{**task["data"], "sentiment": label_of(task["data"]["text"]), "annotator": 7} for task in tasks]
    path.write_text(json.dumps(rows), "utf-8")

    assert take(places, path).imported == 4
    assert set(labels(places).values()) == {(given, "7") for given in GIVEN}


@pytest.mark.parametrize("listed", [False, True])
def test_argilla_records_come_back_as_labels(places: Workspace, listed: bool) -> None:
    path = export(places, "records.jsonl")
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for record in records:
        given = label_of(record["fields"]["text"])
        answer = {"value": given, "user_id": "u-1"}
        nested = {"values": {"label": {"value": given}}, "user_id": "u-1", "status": "submitted"}
        draft = {"values": {"label": {"value": "neutral"}}, "user_id": "u-2", "status": "draft"}
        record["responses"] = [nested, draft] if listed else {"label": [answer]}
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")

    assert take(places, path).imported == 4
    assert labels(places) == {f"c{number}": (given, "u-1") for number, given in enumerate(GIVEN)}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_comes_back_as_labels_however_a_spreadsheet_saves_it(
    places: Workspace, delimiter: str
) -> None:
    path = export(places, "tasks.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["id"] for row in rows} == {"t0", "t1", "t2", "t3"}
    assert "'=HYPERLINK(1)" in {row["text"] for row in rows}
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter=delimiter)
        writer.writeheader()
        writer.writerows({**row, "label": label_of(row["text"])} for row in rows)

    assert take(places, path).imported == 4
    assert labels(places) == {f"c{number}": (given, "ann") for number, given in enumerate(GIVEN)}


def test_no_export_says_what_the_model_predicted(places: Workspace) -> None:
    for name in ("a.csv", "a.json", "a.jsonl"):
        content = export(places, name).read_text("utf-8")
        # The model predicted `positive` for each, and no text has that word.
        assert "positive" not in content
        assert "0.7" not in content


def test_the_same_file_twice_changes_nothing(places: Workspace) -> None:
    path = export(places, "tasks.json")
    path.write_text(json.dumps(in_label_studio(path)), "utf-8")
    take(places, path)
    before = list(audit_labels.read_audit_labels(places))

    again = take(places, path)

    assert (again.imported, again.unchanged) == (0, 4)
    assert list(audit_labels.read_audit_labels(places)) == before


def rows_of(places: Workspace, **more: Any) -> list[dict[str, Any]]:
    tasks = audit_labels.read_queue(places, "", most=9)
    return [{"request": one.request, "position": one.position, "label": "neutral", **more} for one in tasks]


def drawn(places: Workspace) -> list[Any]:
    """Return what was drawn, labelled or not."""
    return list(AuditQueue(places.journal).all_drawn())


def write_rows(places: Workspace, rows: list[Any], name: str = "rows.jsonl") -> Path:
    path = places.root / name
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8"
    )
    return path


def test_another_label_of_the_same_person_needs_replace(places: Workspace) -> None:
    rows = rows_of(places)
    take(places, write_rows(places, rows))
    path = write_rows(places, [{**row, "label": "negative"} for row in rows])

    assert (take(places, path).different, set(labels(places).values())) == (4, {("neutral", "ann")})
    assert take(places, path, replace=True).imported == 4
    assert set(labels(places).values()) == {("negative", "ann")}


@pytest.mark.parametrize("origin", ["model", "feedback"])
def test_labels_of_another_origin_are_stored_and_never_count(places: Workspace, origin: str) -> None:
    rows = rows_of(places, origin=origin, annotator="gpt")

    result = take(places, write_rows(places, rows))

    assert (result.imported, result.by_model) == (4, 4 * (origin == "model"))
    assert labels(places) == {}
    assert len(audit_labels.read_queue(places, "ann", most=9)) == 4
    assert ("train at most" in "\n".join(result.sentences())) == (origin == "model")


def test_unknown_labels_are_counted_and_refused_by_line(places: Workspace) -> None:
    rows = rows_of(places)
    rows[1]["label"], rows[3]["label"] = "happy", "happy"

    result = take(places, write_rows(places, rows))

    assert (result.imported, result.unknown_labels, [line for line, _ in result.refused]) == (
        2,
        {"happy": 2},
        [2, 4],
    )
    assert "Unknown labels: 'happy' 2. Labels are negative, neutral, positive." in list(result.sentences())


def test_labels_for_what_was_never_drawn_are_kept_out_and_counted(places: Workspace) -> None:
    foreign = {"request": request_id(EIGHT - timedelta(days=400)), "position": 0, "label": "neutral"}

    result = take(places, write_rows(places, [foreign, *rows_of(places)]))

    assert (result.not_drawn, result.imported) == (1, 4)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "no object"),
        ("[1]", "no object"),
        ({"label": "neutral"}, "names no request"),
        ({"request": "2026112508-00", "position": -1, "label": "neutral"}, "names no request"),
        ({"request": "2026112508-00", "position": "x", "label": "neutral"}, "names no request"),
        ({"request": {"a": 1}, "position": None, "label": "neutral"}, "names no request"),
        ({"request": "2026112508-00", "position": 0}, "no label"),
        ({"request": "2026112508-00", "position": 0, "label": "neutral", "origin": "me"}, "origin 'me'"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line_and_the_others_are_taken(
    shared: Workspace, row: Any, reason: str
) -> None:
    tasks = [{"request": one.request, "position": one.position, "label": "neutral"} for one in drawn(shared)]
    result = take(shared, write_rows(shared, [*tasks, row]))

    assert result.imported + result.unchanged == 4
    assert [line for line, why in result.refused if reason in why] == [5]


@pytest.mark.parametrize(
    "row",
    [
        {"annotations": [], "data": {"request": "2026112508-00", "position": 0}},
        {"annotations": [{"was_cancelled": True, "result": [{"value": {"choices": ["neutral"]}}]}],
         "data": {"request": "2026112508-00", "position": 0}},
        {"annotations": [None, {"result": [None, {"value": None}]}],
         "data": {"request": "2026112508-00", "position": 0}},
        {"responses": {"label": None}, "id": "2026112508-00/0"},
        {"responses": 7, "id": "2026112508-00/0"},
        {"request": "2026112508-00", "position": 0, "label": ""},
        {"request": "2026112508-00", "position": 0, "label": None},
    ],
)  # fmt: skip
def test_an_unanswered_task_is_no_mistake(shared: Workspace, row: Any) -> None:
    result = take(shared, write_rows(shared, [row]))

    assert (result.imported, result.refused) == (0, [])


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("a.xlsx", b"", UsageError, "End|ends in .csv"),
        ("a.json", b"{}", DataRejected, "no list"),
        ("a.json", b"[", DataRejected, "not JSON"),
        ("a.csv", b"PK\x03\x04", DataRejected, "Excel"),
        ("a.csv", "stra\u00dfe".encode("latin-1"), DataRejected, "UTF-8"),
        (None, b"", UsageError, "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_refused(
    shared: Workspace, name: str | None, content: bytes, error: type[Exception], words: str
) -> None:
    path = shared.root / (name or "absent.csv")
    if name:
        path.write_bytes(content)

    with pytest.raises(error, match=words):
        take(shared, path)


def test_an_export_replaces_no_file_without_force(places: Workspace) -> None:
    path = export(places, "tasks.json")

    with pytest.raises(UsageError, match="exists"):
        export(places, "tasks.json")
    with pytest.raises(UsageError, match="shape"):
        export(places, "tasks.csv", shape="argilla")
    assert export(places, "tasks.json", replace=True) == path
    assert path.stat().st_mode & 0o077 == 0


def test_the_commands_print_what_they_did(places: Workspace, capsys: Any) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        code = run_command(["labels", *arguments, "--workspace", str(places.root)])
        return code, capsys.readouterr().out

    assert "897 labels needed" in run("status")[1]
    assert "so good" in run("queue", "--limit", "9")[1]
    assert run("export", "--out", str(places.root / "t.json"))[1].endswith("4 texts to label.\n")
    code, text = run("import", str(write_rows(places, [*rows_of(places), "{"])))
    assert (code, text.splitlines()) == (
        1,
        ["Imported: 4 labels. There already: 0.", "Refused, line 5: it is no object."],
    )
    assert json.loads(run("status", "--json")[1])["topics"][0]["labels"] == 4
    assert run("export", "--out", str(places.root / "more.csv"))[1].startswith("No text waits")
    assert not (places.root / "more.csv").exists()
