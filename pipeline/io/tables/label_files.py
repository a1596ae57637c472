"""Files of texts to label and of labels, in the shapes of Label Studio and Argilla, and as plain tables.

Label Studio imports a list of tasks `{"data": {...}}` or a CSV, and exports tasks with `annotations`, or flat
rows (JSON_MIN, CSV). Argilla reads and writes records `{"id", "fields", "metadata", "responses"}`. What
people answered in them is read by `label_answers`.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pipeline.base.errors import DataRejected, UsageError
from pipeline.base.spreadsheet import inert
from pipeline.base.tasks import SINGLE_LABEL, AnswerForm, answer_form
from pipeline.io import files
from pipeline.io.tables.label_answers import ANSWER_KEYS, QuotedSpan, given_answers
from pipeline.io.tables.text_rows import OTHER_DELIMITERS, read_lines

Shape = Literal["table", "label-studio", "argilla"]
DEFAULT_SHAPES: dict[str, Shape] = {".csv": "table", ".json": "label-studio", ".jsonl": "argilla"}
COLUMNS = ("request", "position", "id", "time", "topic", "text", "label")
MAX_BYTES = 200_000_000
ONE_LABEL = answer_form(SINGLE_LABEL)


@dataclass(frozen=True)
class LabelTask:
    """A text to label, without what the model predicted."""

    request: str
    position: int
    id: str
    time: str
    topic: str
    text: str


@dataclass(frozen=True)
class LabelRow:
    """A label of a file, in its line; annotator and origin are empty where the file names none.

    `label` is the answer of the task as it is written, and `spans` are its entities where it finds some.
    """

    line: int
    request: str
    position: int
    label: str
    annotator: str = ""
    origin: str = ""
    spans: tuple[QuotedSpan, ...] = ()


@dataclass(frozen=True)
class RefusedRow:
    """A row that holds no label we can read, and why."""

    line: int
    reason: str


def write_tasks(path: Path, tasks: Iterable[LabelTask], shape: Shape | None) -> int:
    """Write texts to label into a .csv, .json or .jsonl file, for its owner alone; return their number.

    Without a text no file is written. Raises UsageError for another suffix, or a shape that it cannot hold.
    """
    suffix = path.suffix.lower()
    if suffix not in DEFAULT_SHAPES:
        raise UsageError(f"{path.name} does not name a format. End it in .csv, .json or .jsonl.")
    shape = shape or DEFAULT_SHAPES[suffix]
    if (suffix == ".csv") != (shape == "table"):
        raise UsageError(
            f"{path.name} cannot hold the shape {shape!r}. A .csv is a table; .json and .jsonl are for tools."
        )
    written = list(tasks)
    if not written:
        return 0
    if suffix == ".csv":
        content = _table(written)
    else:
        records = [_task(one) if shape == "label-studio" else _record(one) for one in written]
        content = _json(records) if suffix == ".json" else "".join(f"{_json(one)}\n" for one in records)
    files.write_bytes(path, content.encode(), private=True)
    return len(written)


def read_labels(path: Path, form: AnswerForm = ONE_LABEL) -> Iterator[LabelRow | RefusedRow]:
    """Yield each label of a file, an answer of this form, and each row without a readable one.

    Raises UsageError for a file that cannot be opened, DataRejected for one that is no table of labels.
    """
    suffix = path.suffix.lower()
    if suffix not in DEFAULT_SHAPES:
        raise UsageError(f"{path.name} does not name a format. It ends in .csv, .json or .jsonl.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} has more than {MAX_BYTES // 1_000_000} MB. Split it.")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}). Name a file of labels.") from error
    rows = {".csv": _csv_rows, ".json": _json_rows, ".jsonl": _jsonl_rows}[suffix](path)
    return (label for line, row in rows for label in _labels(line, row, form))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _table(tasks: Iterable[LabelTask]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in tasks:
        writer.writerow([one.request, one.position, one.id, one.time, one.topic, inert(one.text), ""])
    return file.getvalue()


def _metadata(one: LabelTask) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("request", "position", "id", "time", "topic")}


def _task(one: LabelTask) -> dict[str, Any]:
    # Label Studio keeps what is in `data` through its exports, and nothing else.
    return {"data": {"text": one.text, **_metadata(one)}}


def _record(one: LabelTask) -> dict[str, Any]:
    # Without empty values, which Argilla refuses as metadata.
    metadata = {name: value for name, value in _metadata(one).items() if value != ""}
    key = f"{one.request}/{one.position}"
    return {"id": key, "fields": {"text": one.text}, "metadata": metadata, "suggestions": {}, "responses": {}}


def _csv_rows(path: Path) -> Iterator[tuple[int, Any]]:
    lines = read_lines(path, gzipped=False)
    first = next(lines, "")
    others = (other for other in OTHER_DELIMITERS if other in first)
    reader = csv.reader(chain([first], lines), delimiter="," if "," in first else next(others, ","))
    try:
        header = next(reader, [])
        line = reader.line_num + 1
        for row in reader:
            if row:
                yield line, dict(zip(header, row, strict=False))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataRejected(f"{path}, line {reader.line_num} cannot be read ({error}).") from error


def _jsonl_rows(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(read_lines(path, gzipped=False), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None


def _json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        rows = json.loads("".join(read_lines(path, gzipped=False)))
    except (ValueError, RecursionError) as error:
        raise DataRejected(f"{path} is not JSON ({error}). Export it again.") from error
    if not isinstance(rows, list):
        raise DataRejected(f"{path} is no list of tasks or records. Export it as JSON, or name it .jsonl.")
    # An entry of a list has no line of its own: its number takes that place.
    return enumerate(rows, start=1)


def _labels(line: int, row: Any, form: AnswerForm) -> Iterator[LabelRow | RefusedRow]:
    if not isinstance(row, Mapping):
        yield RefusedRow(line, "it is no object")
        return
    nested = (one for one in (row.get("data"), row.get("metadata")) if isinstance(one, Mapping))
    place = next((one for one in nested if one.get("request")), row)
    request, position = str(place.get("request") or ""), str(place.get("position", ""))
    if not request and isinstance(row.get("id"), str):
        request, _, position = row["id"].rpartition("/")
    if not request or not position.isascii() or not position.isdigit() or len(position) > 9:
        yield RefusedRow(line, "it names no request and position, as the export wrote them")
        return
    found, origin = False, str(row.get("origin") or "")
    for one in given_answers(row, form):
        found = True
        if one.fault:
            yield RefusedRow(line, one.fault)
        else:
            yield LabelRow(line, request, int(position), one.label, one.annotator, origin, one.spans)
    # A task that nobody answered is no mistake.
    if not found and not any(name in row for name in ANSWER_KEYS):
        yield RefusedRow(line, "it has no label")
