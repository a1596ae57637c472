"""Entries of the journal as lines and as tables: one JSON object a line, and columns of fixed types."""

import dataclasses
import json
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.base.records import Feedback, JournalEntry

if TYPE_CHECKING:
    import pyarrow

Entry = TypeVar("Entry", JournalEntry, Feedback)
BEGIN = b'{"request":'  # the first field of every entry, so that a line is known by how it begins


def to_line(entry: JournalEntry | Feedback) -> bytes:
    """Write an entry as one line."""
    values = {name: getattr(entry, name) for name in entry.__slots__}
    # Half a surrogate pair is no character, and a table could not hold it.
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def parse_lines(content: bytes, kind: type[Entry]) -> tuple["pyarrow.Table", list[bytes]]:
    """Read lines into a table; give it with the whole lines that are no entry.

    A last line without its end was never answered for, since its writer died in it: it is left out.
    """
    import pyarrow
    import pyarrow.json

    whole = content[: content.rfind(b"\n") + 1]
    if whole:
        options = pyarrow.json.ParseOptions(
            explicit_schema=entry_schema(kind), unexpected_field_behavior="ignore"
        )
        try:
            table = pyarrow.json.read_json(pyarrow.BufferReader(whole), parse_options=options)
            table.validate(full=True)
            if table.num_rows == whole.count(b"\n"):
                return conform_table(table, kind), []
        except (ValueError, KeyError):
            pass
    return _one_by_one(whole, kind)


def find_entries(content: bytes, kind: type[Entry], requests: Collection[str]) -> Iterator[Entry]:
    """Yield the entries of few requests from lines, without reading the others."""
    for request in requests:
        beginning = BEGIN + json.dumps(request, ensure_ascii=False).encode("utf-8", "replace") + b","
        at = content.find(beginning)
        while at >= 0:
            end = content.find(b"\n", at)
            if end < 0:
                break
            yield from table_to_entries(_one_by_one(content[at : end + 1], kind)[0], kind)
            at = content.find(beginning, end)


def table_to_entries(table: "pyarrow.Table", kind: type[Entry]) -> list[Entry]:
    """Give the rows of a table as entries."""
    columns = [_values(table, name) for name in table.column_names]
    return [kind(*row) for row in zip(*columns, strict=True)]


def filter_times(table: "pyarrow.Table", start: str, end: str) -> "pyarrow.Table":
    """Keep the rows from one time up to and without another."""
    from pyarrow import compute

    times = table["time"]
    return table.filter(compute.and_(compute.greater_equal(times, start), compute.less(times, end)))


def filter_requests(table: "pyarrow.Table", requests: Collection[str]) -> "pyarrow.Table":
    """Keep the rows of some requests."""
    import pyarrow
    from pyarrow import compute

    return table.filter(
        compute.is_in(table["request"], value_set=pyarrow.array(sorted(requests), pyarrow.string()))
    )


def conform_table(table: "pyarrow.Table", kind: type[Entry]) -> "pyarrow.Table":
    """Bring a table to the columns and types of its entries.

    A column younger than the table gets the default of its field. Raises KeyError where there is none, ValueError for a wrong type.
    """
    import pyarrow

    columns, defaults = [], _defaults(kind)
    for column in entry_schema(kind):
        known = column.name in table.column_names
        if known and not table[column.name].null_count:
            columns.append(table[column.name].cast(column.type))
        elif known or column.name not in defaults:
            raise KeyError(f"there is no {column.name} in each row")
        else:
            columns.append(pyarrow.array([defaults[column.name]] * table.num_rows, column.type))
    return pyarrow.table(columns, schema=entry_schema(kind))


def entry_schema(kind: type[Entry]) -> "pyarrow.Schema":
    """Give the columns of a kind of entry."""
    import pyarrow

    types: dict[Any, pyarrow.DataType] = {
        str: pyarrow.string(),
        int: pyarrow.int64(),
        bool: pyarrow.bool_(),
        float: pyarrow.float64(),
        tuple[float, ...]: pyarrow.list_(pyarrow.float64()),
    }
    return pyarrow.schema([(field.name, types[field.type]) for field in dataclasses.fields(kind)])


def _values(table: "pyarrow.Table", name: str) -> list[Any]:
    import pyarrow

    column = table[name]
    if pyarrow.types.is_list(column.type):
        return [tuple(values) for values in column.to_pylist()]
    return column.to_pylist()  # type: ignore[no-any-return]


def _one_by_one(whole: bytes, kind: type[Entry]) -> tuple["pyarrow.Table", list[bytes]]:
    import pyarrow

    rows: list[dict[str, Any]] = []
    strange: list[bytes] = []
    for told in whole.split(b"\n")[:-1]:
        try:
            rows.append(_row(json.loads(told), kind))
        except (ValueError, KeyError, TypeError, RecursionError):
            strange.append(told)
    return pyarrow.Table.from_pylist(rows, schema=entry_schema(kind)), strange


def _row(told: Any, kind: type[Entry]) -> dict[str, Any]:
    values = {**_defaults(kind), **told}
    row = {field.name: values[field.name] for field in dataclasses.fields(kind)}
    for field in dataclasses.fields(kind):
        if not _fits(row[field.name], field.type):
            raise ValueError(f"{field.name} is of another type")
    return row


def _fits(value: Any, kind: Any) -> bool:
    if kind is str:
        # Half a surrogate pair cannot be encoded, and its error is a ValueError.
        return isinstance(value, str) and value.encode() is not None
    if kind is int:
        return type(value) is int and abs(value) < 2**63
    if kind is float:
        return type(value) in (int, float)
    if kind is bool:
        return isinstance(value, bool)
    return isinstance(value, list) and all(_fits(one, float) for one in value)


def _defaults(kind: type[Entry]) -> dict[str, Any]:
    fields = dataclasses.fields(kind)
    return {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
