"""Files that hold what is to be forgotten: Parquet, CSV and JSON are searched, and written without it."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.io import files, parquet

PARQUET = b"PAR1"
# A row, or one value of a document, under the names of its columns.
Row = Mapping[str, str]
Covers = Callable[[Row], bool]
COLUMNS = ("id", "text", "content", "group")
MAX_DOCUMENT_BYTES = 64_000_000


class CsvRows(list[list[str]]):
    """The rows of a CSV file, as distinct from a list in a JSON document."""


def held_rows(path: Path, covers: Covers) -> Iterator[Row]:
    """Yield the rows of a file that are covered; none of a file of another kind.

    Raises OSError or ValueError where it cannot be read.
    """
    if is_table(path):
        names = [name for name in COLUMNS if name in parquet.column_names(path)]
        for values in parquet.stream_rows(path, *names) if names else ():
            row = {name: str(value or "") for name, value in zip(names, values, strict=True)}
            if covers(row):
                yield row
        return
    content = _document(path)
    if content is not None:
        yield from (row for row in _rows_of(content) if covers(row))


def without_rows(path: Path, covers: Covers) -> bytes | None:
    """Return a CSV or JSON file without what is covered; None for any other file."""
    content = _document(path)
    if content is None:
        return None
    if isinstance(content, CsvRows):
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(
            cells for cells in content if not any(covers(row) for row in _cells(cells))
        )
        return out.getvalue().encode()
    return files.json_bytes(_emptied(content, covers))


def write_without(path: Path, out: Path, covers: Covers) -> list[Row]:
    """Write a file without what is covered; return the rows that are gone."""
    if not is_table(path):
        gone = list(held_rows(path, covers))
        content = without_rows(path, covers)
        assert content is not None
        files.write_bytes(out, content)
        return gone
    columns = parquet.read_rows(path)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    gone = [row for row in rows if covers(_strings(row))]
    kept = [row for row in rows if not covers(_strings(row))]
    temporary = out.with_name(f".{out.name}.forget")
    parquet.write_rows(temporary, {name: [row[name] for row in kept] for name in columns})
    temporary.replace(out)
    return gone


def is_table(path: Path) -> bool:
    """Return whether a file is a Parquet table."""
    with path.open("rb") as file:
        return file.read(len(PARQUET)) == PARQUET


def _strings(row: Mapping[str, Any]) -> Row:
    return {name: str(row[name] or "") for name in COLUMNS if name in row}


def _document(path: Path) -> Any:
    """Return a JSON document, or the rows of a CSV file; None for what is neither."""
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        return None
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None
    if text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return None
    first = text.partition("\n")[0].split(",")
    named = {"id", "text"} & {cell.strip('"\r') for cell in first}
    return CsvRows(csv.reader(io.StringIO(text))) if named else None


def _rows_of(content: Any) -> Iterator[Row]:
    if isinstance(content, CsvRows):
        for cells in content:
            yield from _cells(cells)
    elif isinstance(content, str):
        yield _cell(content)
    elif isinstance(content, list | dict):
        for value in content.values() if isinstance(content, dict) else content:
            yield from _rows_of(value)


def _cell(value: str) -> Row:
    """Return one value of a document, which may be an id or a text; no part of it is looked for."""
    return {"id": value, "text": value, "cell": value}


def _cells(cells: list[Any]) -> Iterator[Row]:
    for cell in cells:
        # A quote keeps a spreadsheet from evaluating a cell.
        plain = str(cell).removeprefix("'")
        yield _cell(plain)


def _emptied(content: Any, covers: Covers) -> Any:
    if isinstance(content, str):
        return "" if covers(_cell(content)) else content
    if isinstance(content, list):
        return [_emptied(value, covers) for value in content]
    if isinstance(content, dict):
        return {name: _emptied(value, covers) for name, value in content.items()}
    return content
