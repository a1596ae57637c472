"""Rows of spreadsheets (xlsx, xls, ods): the first sheet that holds a table, or the one that is named."""

import datetime
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.base.config.sources import AUTO
from pipeline.base.errors import DataRejected
from pipeline.base.records import Unreadable
from pipeline.io.table_files.delimited import apostrophe_columns, require_distinct
from pipeline.io.table_files.headers import column_names, is_header
from pipeline.io.table_files.shape import Dialect, Row, Rows, Shape, TableRequest

SAMPLE_ROWS = 200


def open_spreadsheet(request: TableRequest, kind: str) -> tuple[Shape, Rows]:
    """Return the shape of a sheet and its rows.

    Raises DataRejected for a sheet that is missing, empty or damaged.
    """
    import python_calamine

    try:
        book = python_calamine.load_workbook(str(request.path))
        name, sheet = _sheet(book, request)
        cells = [_cells(row) for row in itertools.islice(sheet.iter_rows(), SAMPLE_ROWS)]
    except (python_calamine.CalamineError, OSError, ValueError, RuntimeError) as error:
        raise DataRejected(
            f"{request.where} cannot be read as {kind} ({type(error).__name__}: {str(error)[:120]}). "
            "Open it in the spreadsheet program and save it again, or save the sheet as CSV."
        ) from error
    first = _skipped(cells, request)
    if first >= len(cells):
        raise DataRejected(f"{request.where}, sheet {name!r} holds no rows. Name another with `sheet:`.")
    has_header, header = _header(cells[first:], request)
    require_distinct(header, request.mapped, request.where)
    sheets = [one for one in book.sheet_names if one != name]
    notes = (
        [f"Sheet {name!r} is read; there are others: {', '.join(map(repr, sheets[:9]))}."] if sheets else []
    )
    nameless = [str(place) for place, column in enumerate(header, start=1) if not column]
    if nameless:
        notes.append(f"Columns without a name are passed over: {', '.join(nameless)}.")
    apostrophes = apostrophe_columns(cells[first + has_header :], len(header))
    if apostrophes:
        notes.append("Cells that begin with an apostrophe lose it.")
    shape = Shape(
        kind,
        header,
        sheet=name,
        dialect=Dialect("", None, None, has_header, header, first),
        sniffed=("header",) if request.header == AUTO else (),
        notes=tuple(notes),
    )
    return shape, _rows(sheet, header, first + has_header, request, apostrophes)


def _sheet(book: Any, request: TableRequest) -> tuple[str, Any]:
    if request.sheet is not None:
        if request.sheet not in book.sheet_names:
            listed = ", ".join(map(repr, book.sheet_names[:20]))
            raise DataRejected(
                f"{request.where} has no sheet {request.sheet!r} (found: {listed}). Correct `sheet`."
            )
        return request.sheet, book.get_sheet_by_name(request.sheet)
    sheets = [(name, book.get_sheet_by_name(name)) for name in book.sheet_names]
    # A first sheet is often a cover: the table is where most cells are.
    filled = [(name, sheet) for name, sheet in sheets if sheet.height > 1 and sheet.width > 0]
    if not filled:
        raise DataRejected(f"{request.where} holds no rows. Put a table with a header and rows there.")
    mapped = set(request.mapped)
    for name, sheet in filled:
        heads = itertools.islice(sheet.iter_rows(), 1)
        if mapped and mapped <= set(next((_cells(row) for row in heads), [])):
            return name, sheet
    return next(((n, s) for n, s in filled if s.width > 1), filled[0])


def _skipped(cells: Sequence[Sequence[str]], request: TableRequest) -> int:
    """Return how many rows precede the table: they have fewer cells than it."""
    if request.skip_rows != AUTO:
        return int(request.skip_rows)
    counts = [sum(bool(value) for value in row) for row in cells]
    usual = sorted(counts)[len(counts) // 2] if counts else 0
    return next((place for place, count in enumerate(counts) if count >= max(1, usual - 1)), len(cells))


def _header(cells: Sequence[Sequence[str]], request: TableRequest) -> tuple[bool, tuple[str, ...]]:
    first = tuple(value.strip() for value in cells[0])
    if isinstance(request.header, tuple):
        return list(request.header) == [value for value in first if value], request.header
    wanted = request.header is True or (bool(request.mapped) and set(request.mapped) <= set(first))
    if wanted or (request.header == AUTO and is_header(first, cells[1:])):
        return True, first
    return False, column_names(len(first))


def _rows(
    sheet: Any, header: tuple[str, ...], skipped: int, request: TableRequest, apostrophes: tuple[int, ...]
) -> Rows:
    number = 0
    start = getattr(sheet, "start", None) or (0, 0)
    rows: Iterator[Any] = itertools.islice(sheet.iter_rows(), skipped, None)
    for line, values in enumerate(rows, start=start[0] + skipped + 1):
        cells = _cells(values)
        if not any(cells):
            continue
        number += 1
        for place in apostrophes:
            if place < len(cells):
                cells[place] = cells[place].removeprefix("'")
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        cells += [""] * (len(header) - len(cells))
        if len(cells) > len(header):
            reason = f"{len(cells)} cells where {len(header)} belong"
            yield Unreadable(request.where, line, number, "", reason, " | ".join(cells)[:200])
            continue
        row: Row = dict(zip(header, cells, strict=True))
        row.pop("", None)
        yield row


def _cells(row: Sequence[object]) -> list[str]:
    return [_cell(value) for value in row]


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        # A spreadsheet knows no whole numbers.
        return str(int(value))
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return "" if value is None else str(value)
