"""Journal entries as lines and as tables: one JSON object a line, and columns of fixed types."""

import dataclasses
import json
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.base.records import Feedback, JournalEntry

if TYPE_CHECKING:
    import pyarrow

Entry = TypeVar("Entry", JournalEntry, Feedback)
# The first field of every entry, by which a line is found.
LINE_START = b'{"request":'


def to_line(entry: JournalEntry | Feedback) -> bytes:
    """Return an entry as one line."""
    values = {name: getattr(entry, name) for name in entry.__slots__}
    # Half of a surrogate pair is no character; a table cannot hold it.
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def parse_lines(content: bytes, kind: type[Entry]) -> tuple["pyarrow.Table", list[bytes]]:
    """Parse lines into a table, and return it with the complete lines that are no entries.

    A last line without its end is left out: its writer died before it confirmed the entry.
    """
    import pyarrow
    import pyarrow.json

    complete = content[: content.rfind(b"\n") + 1]
    if complete:
        options = pyarrow.json.ParseOptions(
            explicit_schema=entry_schema(kind), unexpected_field_behavior="ignore"
        )
        try:
            table = pyarrow.json.read_json(pyarrow.BufferReader(complete), parse_options=options)
            table.validate(full=True)
            if table.num_rows == complete.count(b"\n"):
                return conform_table(table, kind), []
        except (ValueError, KeyError):
            pass
    return _parse_one_by_one(complete, kind)


def find_entries(content: bytes, kind: type[Entry], requests: Collection[str]) -> Iterator[Entry]:
    """Yield the entries of a few requests, without parsing other lines."""
    for request in requests:
        start = LINE_START + json.dumps(request, ensure_ascii=False).encode("utf-8", "replace") + b","
        at = content.find(start)
        while at >= 0:
            end = content.find(b"\n", at)
            if end < 0:
                break
            yield from table_to_entries(_parse_one_by_one(content[at : end + 1], kind)[0], kind)
            at = content.find(start, end)


def table_to_entries(table: "pyarrow.Table", kind: type[Entry]) -> list[Entry]:
    """Return the rows of a table as entries."""
    columns = [_values(table, name) for name in table.column_names]
    return [kind(*row) for row in zip(*columns, strict=True)]


def filter_times(table: "pyarrow.Table", start: str, end: str) -> "pyarrow.Table":
    """Return the rows with `start` <= time < `end`."""
    from pyarrow import compute

    times = table["time"]
    return table.filter(compute.and_(compute.greater_equal(times, start), compute.less(times, end)))


def filter_requests(table: "pyarrow.Table", requests: Collection[str]) -> "pyarrow.Table":
    """Return the rows of some requests."""
    import pyarrow
    from pyarrow import compute

    return table.filter(
        compute.is_in(table["request"], value_set=pyarrow.array(sorted(requests), pyarrow.string()))
    )


def conform_table(table: "pyarrow.Table", kind: type[Entry]) -> "pyarrow.Table":
    """Return a table with the columns and types of its entries.

    A column newer than the table gets the default of its field. Raises KeyError where there is none,
    ValueError for a wrong type.
    """
    import pyarrow

    columns, defaults = [], _defaults(kind)
    for column in entry_schema(kind):
        present = column.name in table.column_names
        if present and not table[column.name].null_count:
            columns.append(table[column.name].cast(column.type))
        elif present or column.name not in defaults:
            raise KeyError(f"{column.name} is missing in some rows")
        else:
            columns.append(pyarrow.array([defaults[column.name]] * table.num_rows, column.type))
    return pyarrow.table(columns, schema=entry_schema(kind))


def entry_schema(kind: type[Entry]) -> "pyarrow.Schema":
    """Return the columns of a kind of entry."""
    import pyarrow

    types: dict[object, pyarrow.DataType] = {
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


def _parse_one_by_one(content: bytes, kind: type[Entry]) -> tuple["pyarrow.Table", list[bytes]]:
    import pyarrow

    rows: list[dict[str, Any]] = []
    rejected: list[bytes] = []
    for line in content.split(b"\n")[:-1]:
        try:
            rows.append(_row(json.loads(line), kind))
        except (ValueError, KeyError, TypeError, RecursionError):
            rejected.append(line)
    return pyarrow.Table.from_pylist(rows, schema=entry_schema(kind)), rejected


def _row(fields: Any, kind: type[Entry]) -> dict[str, Any]:
    values = {**_defaults(kind), **fields}
    row = {field.name: values[field.name] for field in dataclasses.fields(kind)}
    for field in dataclasses.fields(kind):
        if not _fits(row[field.name], field.type):
            raise ValueError(f"{field.name} is of another type")
    return row


def _fits(value: object, kind: object) -> bool:
    if kind is str:
        # Half of a surrogate pair cannot be encoded: its error is a ValueError.
        return isinstance(value, str) and value.encode() is not None
    if kind is int:
        return type(value) is int and abs(value) < 2**63
    if kind is float:
        return type(value) in (int, float)
    if kind is bool:
        return isinstance(value, bool)
    return isinstance(value, list) and all(_fits(item, float) for item in value)


def _defaults(kind: type[Entry]) -> dict[str, Any]:
    fields = dataclasses.fields(kind)
    return {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
