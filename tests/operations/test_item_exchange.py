"""Several labels and entities in and out, in the shapes of Label Studio, of Argilla and of a table."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import item_worlds
import pytest

from pipeline.base.config import Workspace
from pipeline.base.tasks import MULTI_LABEL, TOKEN_LABELS, TaskName
from pipeline.io.params_file import load_params
from pipeline.monitoring import audit_labels
from pipeline.operations.label_exchange import LabelImport, export_queue, import_labels, label_status

TEXTS: dict[str, list[str]] = {
    MULTI_LABEL: ["soup waiter", "monday"],
    TOKEN_LABELS: ["👍 Ann in Lima", "=nobody here"],
}
ANN, LIMA = {"start": 2, "end": 5, "label": "person"}, {"start": 9, "end": 13, "label": "place"}
TRUTH = {
    MULTI_LABEL: {"soup waiter": "food + service", "monday": "no label"},
    TOKEN_LABELS: {"👍 Ann in Lima": json.dumps([ANN, LIMA]), "=nobody here": "[]"},
}


def queue(root: Path, task: TaskName) -> Workspace:
    """Make a workspace in whose queue the texts of the task wait."""
    places = item_worlds.make(root, task)
    item_worlds.set_audit(places, per_topic_per_day=24 * 2, second_opinion=1.0)
    item_worlds.add_release(places, task)
    item_worlds.journal(places, "R1", TEXTS[task])
    assert audit_labels.draw(places, now=item_worlds.at(2), params=load_params(places.params)) == 2
    return places


@pytest.fixture(params=[MULTI_LABEL, TOKEN_LABELS])
def task(request: pytest.FixtureRequest) -> TaskName:
    found: TaskName = request.param
    return found


@pytest.fixture
def places(tmp_path: Path, task: TaskName) -> Workspace:
    return queue(tmp_path / "w", task)


def exported(places: Workspace, name: str) -> tuple[Path, Any]:
    out = places.root / name
    assert export_queue(places, out, shape=None, topic="", annotator="", replace=True) == 2
    text = out.read_text("utf-8")
    if name.endswith(".jsonl"):
        return out, [json.loads(line) for line in text.splitlines()]
    return out, json.loads(text) if name.endswith(".json") else list(csv.DictReader(io.StringIO(text)))


def take(places: Workspace, path: Path, **changes: Any) -> LabelImport:
    return import_labels(places, path, **({"annotator": "ann", "replace": False} | changes))


def stored(places: Workspace) -> dict[str, str]:
    """Return the answer about each text."""
    texts = {entry.request: entry.text for entry in item_worlds.stored(places)}
    return {texts[one.request]: one.label for one in audit_labels.read_audit_labels(places)}


def utf16(text: str, place: int) -> int:
    return len(text[:place].encode("utf-16-le")) // 2


def label_studio(task: TaskName, text: str) -> list[dict[str, Any]]:
    """Return the results of an annotation as Label Studio exports them: places are those of a browser."""
    answer = TRUTH[task][text]
    if task == MULTI_LABEL:
        labels = [] if answer == "no label" else answer.split(" + ")
        return [{"type": "choices", "value": {"choices": labels}}] if labels else []
    return [
        {
            "type": "labels",
            "value": {
                "start": utf16(text, one["start"]),
                "end": utf16(text, one["end"]),
                "text": text[one["start"] : one["end"]],
                "labels": [one["label"]],
            },
        }
        for one in json.loads(answer)
    ]


def test_annotations_of_label_studio_bring_every_item(places: Workspace, task: TaskName) -> None:
    out, tasks = exported(places, "tasks.json")
    for one in tasks:
        result = label_studio(task, one["data"]["text"])
        one["annotations"] = [
            {"completed_by": "ann", "result": result},
            {"was_cancelled": True, "result": []},
        ]
    out.write_text(json.dumps(tasks), "utf-8")

    first, again = take(places, out), take(places, out)

    assert (first.imported, first.refused, again.unchanged) == (2, [], 2)
    assert stored(places) == TRUTH[task]


def test_flat_rows_of_label_studio_bring_every_item(places: Workspace, task: TaskName) -> None:
    out, tasks = exported(places, "tasks.json")
    rows = []
    for one in tasks:
        values = [result["value"] for result in label_studio(task, one["data"]["text"])]
        row = {**one["data"], "annotator": 1, "annotation_id": 7}
        if values:
            row |= {"choice": values[0]} if task == MULTI_LABEL else {"label": values}
        rows.append(row)
    out.write_text(json.dumps(rows), "utf-8")

    assert (take(places, out).imported, stored(places)) == (2, TRUTH[task])


def test_responses_of_argilla_bring_every_item(places: Workspace, task: TaskName) -> None:
    out, records = exported(places, "records.jsonl")
    for one in records:
        answer = TRUTH[task][one["fields"]["text"]]
        labels = [] if answer == "no label" else answer.split(" + ")
        value = labels if task == MULTI_LABEL else json.loads(answer)
        one["responses"] = {"q": [{"value": value, "status": "submitted", "user_id": "ann"}]}
        one["responses"]["q"].append({"value": [], "status": "draft", "user_id": "bo"})
    out.write_text("".join(f"{json.dumps(one)}\n" for one in records), "utf-8")

    assert (take(places, out).imported, stored(places)) == (2, TRUTH[task])


def test_a_table_brings_answers_as_the_task_writes_them(places: Workspace, task: TaskName) -> None:
    out, rows = exported(places, "tasks.csv")
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            text = row["text"].removeprefix("'")
            writer.writerow({**row, "label": TRUTH[task][text]})

    assert (take(places, out).imported, stored(places)) == (2, TRUTH[task])


def test_a_row_without_an_answer_is_none(places: Workspace, task: TaskName) -> None:
    table, _ = exported(places, "tasks.csv")
    untouched, _ = exported(places, "tasks.json")

    assert (take(places, table).imported, take(places, untouched).imported) == (0, 0)
    assert stored(places) == {}


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        ([{**ANN, "end": 90}], "the span 2 to 90 (person) lies outside its text of 13 characters"),
        ([{**ANN, "text": "Bob"}], "an entity shows another text than the stored one has there"),
        ([ANN, {**ANN, "label": "place"}], "overlaps with the one from 2 to 5 (person)"),
        ([{"start": 2, "end": 5}], "is no entity: write start, end and label"),
    ],
)
def test_an_entity_that_does_not_fit_its_text_is_refused(
    tmp_path: Path, spans: list[dict[str, Any]], words: str
) -> None:
    places = queue(tmp_path / "w", TOKEN_LABELS)
    out, records = exported(places, "records.jsonl")
    records = [one for one in records if "Ann" in one["fields"]["text"]]
    records[0]["responses"] = {"q": [{"value": spans, "status": "submitted"}]}
    out.write_text(json.dumps(records[0]), "utf-8")

    result = take(places, out)

    ((line, reason),) = result.refused
    assert (line, result.imported, stored(places)) == (1, 0, {})
    assert words.lower() in reason.lower()


def test_an_unknown_label_refuses_the_whole_answer(tmp_path: Path) -> None:
    places = queue(tmp_path / "w", MULTI_LABEL)
    out, records = exported(places, "records.jsonl")
    records[0]["responses"] = {"q": [{"value": ["food", "joy"], "status": "submitted"}]}
    out.write_text(json.dumps(records[0]), "utf-8")

    result = take(places, out)

    assert (result.imported, dict(result.unknown_labels)) == (0, {"food + joy": 1})


def test_two_people_are_compared_label_by_label(places: Workspace, task: TaskName) -> None:
    texts = {one.text: (one.request, one.position) for one in audit_labels.read_queue(places, "x", most=9)}
    first, second = TEXTS[task]
    for who in ("ann", "bo"):
        audit_labels.record_label(places, texts[second], TRUTH[task][second], annotator=who)
    audit_labels.record_label(places, texts[first], TRUTH[task][first], annotator="ann")
    partly = "food" if task == MULTI_LABEL else json.dumps([ANN])
    audit_labels.record_label(places, texts[first], partly, annotator="bo")

    found = label_status(places)["agreement"]

    assert found is not None
    assert (found["texts"], found["share"]) == (2, 0.5)
    same, other = ("food", "service") if task == MULTI_LABEL else ("person", "place")
    assert (found["labels"][same]["share"], found["labels"][other]["share"]) == (1.0, 0.5)
