"""Rows of CSV, TSV and other delimited text."""

import csv
import dataclasses
import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import TextIO

from pipeline.base import logs
from pipeline.base.config.sources import AUTO
from pipeline.base.errors import DataRejected
from pipeline.base.records import Unreadable
from pipeline.io.table_files.dialects import Known, sniff_dialect
from pipeline.io.table_files.encodings import broken_bytes, readable
from pipeline.io.table_files.records import BrokenLine, Form, Parsed, RecordReader
from pipeline.io.table_files.shape import Dialect, Row, Rows, Shape, TableRequest

# As many rows decide whether each cell of a column begins with a spreadsheet's apostrophe.
MIN_APOSTROPHES = 3


def open_delimited(
    text: TextIO, sample: str, request: TableRequest, shape: Shape, *, whole: bool
) -> tuple[Shape, Rows]:
    """Return the shape of delimited text and its rows; `sample` is how it begins.

    Raises DataRejected where no delimiter parts its lines, or a mapped column occurs twice.
    """
    known = _known(request)
    dialect = sniff_dialect(sample, known, whole=whole)
    if dialect is None:
        raise DataRejected(_no_delimiter(request))
    unknown = {
        "delimiter": known.delimiter is None,
        "quote": known.quote == AUTO,
        "header": known.header is None,
    }
    sniffed = tuple(name for name, is_unknown in unknown.items() if is_unknown)
    shape = dataclasses.replace(
        shape, columns=dialect.header, dialect=dialect, sniffed=(*shape.sniffed, *sniffed)
    )
    require_distinct(dialect.header, request.mapped, request.where)
    shape = dataclasses.replace(shape, notes=(*shape.notes, *_notes(dialect)))
    apostrophes = apostrophe_columns(_sample_rows(sample, dialect, whole), len(dialect.header))
    if apostrophes:
        names = ", ".join(dialect.header[place] or f"column {place + 1}" for place in apostrophes)
        sentence = (
            f"Each cell of {names} begins with an apostrophe, as spreadsheets write text: one is taken off."
        )
        shape = dataclasses.replace(shape, notes=(*shape.notes, sentence))
    return shape, _rows(text, dialect, request, apostrophes)


def require_distinct(header: Sequence[str], mapped: Collection[str], where: str) -> None:
    """Raise DataRejected for a mapped column whose name occurs several times."""
    for name in mapped or header:
        places = [place for place, column in enumerate(header, start=1) if column and column == name]
        if len(places) > 1 and (mapped or name):
            raise DataRejected(
                f"{where} repeats a column name: {name!r} occurs {len(places)} times "
                f"(columns {' and '.join(map(str, places))}). Rename one of them in the file"
                ", or name all columns with `header: [...]` in params.yaml."
            )


def apostrophe_columns(rows: Sequence[Sequence[str]], width: int) -> tuple[int, ...]:
    """Return the columns in which each cell that is not empty begins with an apostrophe."""
    found = []
    for place in range(width):
        cells = [row[place] for row in rows if len(row) > place and row[place]]
        enclosed = all(cell.endswith("'") and len(cell) > 1 for cell in cells)
        if len(cells) >= MIN_APOSTROPHES and all(cell[0] == "'" for cell in cells) and not enclosed:
            found.append(place)
    return tuple(found)


def _known(request: TableRequest) -> Known:
    delimiter = None if request.delimiter == AUTO else request.delimiter
    if delimiter is None and request.kind == "tsv":
        delimiter = "\t"
    return Known(
        delimiter=delimiter,
        quote=request.quote,
        escape=request.escape,
        header=None if request.header == AUTO else request.header,
        skip_rows=None if request.skip_rows == AUTO else request.skip_rows,
        mapped=tuple(request.mapped),
    )


def _no_delimiter(request: TableRequest) -> str:
    return (
        f"{request.where} has no delimiter that parts its lines into columns. "
        "If it holds one text a line, write `kind: text` (and `labels_path: FILE` for a second file of "
        'labels); otherwise write the delimiter, for example `delimiter: ";"`.'
    )


def _notes(dialect: Dialect) -> Iterator[str]:
    if dialect.skip_rows:
        yield f"{dialect.skip_rows} lines before the table are passed over."
    nameless = [str(place) for place, name in enumerate(dialect.header, start=1) if not name]
    if nameless:
        yield f"Columns without a name are passed over: {', '.join(nameless)}."
    repeated = sorted({name for name in dialect.header if name and dialect.header.count(name) > 1})
    if repeated:
        yield f"Several columns have the name {repeated[0]!r}: only the last of them is read."


def _sample_rows(sample: str, dialect: Dialect, whole: bool) -> list[list[str]]:
    lines = sample.splitlines(keepends=True)[: 2000 if whole else -1][
        dialect.skip_rows + dialect.has_header :
    ]
    rows: list[list[str]] = []
    for block in RecordReader(_form(dialect), "").read(iter(lines[:2000])):
        rows += block.plain
        rows += [one[1] for one in block.parsed if not isinstance(one, BrokenLine) and one[1]]
    return rows


def _form(dialect: Dialect) -> Form:
    return Form(dialect.delimiter, dialect.quote, dialect.escape, len(dialect.header))


def _rows(text: TextIO, dialect: Dialect, request: TableRequest, apostrophes: tuple[int, ...]) -> Rows:
    lines = iter(text)
    reader = RecordReader(_form(dialect), request.where)
    for _ in itertools.islice(lines, dialect.skip_rows):
        reader.line += 1
    if dialect.has_header:
        reader.line += _pass_header(lines, dialect)
    before = csv.field_size_limit(request.max_bytes)
    taken = 0
    try:
        number = 0
        for block in reader.read(lines):
            if apostrophes:
                taken += sum(_take_apostrophes(cells, apostrophes) for cells in block.plain)
            number += len(block.plain)
            yield from _plain_rows(block.plain, dialect.header)
            for one in block.parsed:
                if isinstance(one, BrokenLine) or one[1]:
                    number += 1
                    taken += 0 if isinstance(one, BrokenLine) else _take_apostrophes(one[1], apostrophes)
                    yield _row(one, dialect.header, request.where, number)
    finally:
        csv.field_size_limit(before)
    log = logs.get("collect")
    if reader.repairs.lines:
        log.warning("quotes.repaired", rows=reader.repairs.lines, first_line=reader.repairs.first)
    if taken:
        log.info("apostrophes.taken_off", cells=taken)


def _pass_header(lines: Iterator[str], dialect: Dialect) -> int:
    """Read the header, which may have several lines; return how many."""
    count = 0

    def counted() -> Iterator[str]:
        nonlocal count
        for line in lines:
            count += 1
            yield line

    reader = csv.reader(counted(), **_form(dialect).options(strict=False))
    next((row for row in reader if row), None)
    return count


def _take_apostrophes(cells: list[str], places: tuple[int, ...]) -> int:
    count = 0
    for place in places:
        if cells[place].startswith("'"):
            cells[place] = cells[place][1:]
            count += 1
    return count


def _plain_rows(block: list[list[str]], header: tuple[str, ...]) -> list[Row]:
    rows = [dict(zip(header, cells, strict=True)) for cells in block]
    if "" in header:
        for row in rows:
            row.pop("", None)
    return rows


def _row(one: Parsed, header: tuple[str, ...], where: str, number: int) -> Row | Unreadable:
    """Return a row; bytes that are no text make it unreadable."""
    if isinstance(one, BrokenLine):
        return Unreadable(where, one.line, number, "", one.reason, readable(one.content))
    line, cells = one
    if fault := _broken_cell(cells, header):
        column, reason = fault
        return Unreadable(where, line, number, column, reason, readable(",".join(cells)))
    return _plain_rows([cells], header)[0]


def _broken_cell(cells: Sequence[str], header: Sequence[str]) -> tuple[str, str] | None:
    if not broken_bytes(cells):
        return None
    for name, cell in zip(header, cells, strict=True):
        if reason := broken_bytes([cell]):
            return name, reason
    return None
