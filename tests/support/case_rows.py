"""The cases of tables as rows, read by Python's own csv and json, for what comes behind the readers."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.config import FileSource, Source
from pipeline.base.records import TextRecord, Unreadable
from pipeline.io.sources.rows import RowTally, rows_to_records

CASES = Path(__file__).parents[1] / "fixtures" / "cases"
Row = dict[str, str]
COLUMNS = dict.fromkeys(("text", "label", "rating", "id", "group", "time", "split"))


def csv_rows(name: str, delimiter: str = ",", **options: Any) -> list[Row]:
    """Read a table with a header."""
    with (CASES / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter, **options))


def json_rows(name: str) -> list[Row]:
    """Read JSON lines, each value as a string."""
    lines = (CASES / name).read_text("utf-8").splitlines()
    return [{key: str(value) for key, value in json.loads(line).items()} for line in lines]


def table_source(
    *, name: str = "mine", label_map: dict[Any, str] | None = None, **columns: Any
) -> FileSource:
    """Describe a table by its columns; further keys of a source begin with an underscore."""
    keys = {key[1:]: columns.pop(key) for key in list(columns) if key.startswith("_")}
    mapped = COLUMNS | {"text": "text"} | columns
    own = {"kind": "csv", "name": name, "path": "t.csv", "columns": mapped, "lang": "en", "licence": "own"}
    return FileSource.model_validate(
        {"group_pattern": None, "ratings": None, **own, **keys, "label_map": label_map or {}}
    )


@dataclass
class RowsReader:
    """Read one source from rows in memory."""

    source: FileSource
    rows: Sequence[Row | Unreadable]
    labels: tuple[str, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return the source."""
        return (self.source,)

    def records(self, source: Source, tally: RowTally | None = None) -> Iterator[TextRecord | Unreadable]:
        """Return its records."""
        return rows_to_records(self.rows, self.source, self.labels, tally)

    def identity(self, source: Source) -> str:
        """Return nothing: rows in memory have no digest."""
        return ""
