"""Columns of JSONL files as Arrow columns; one whose values are of several kinds is stored as their JSON."""

import base64
import json
import math
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow import Field

MARK = {b"tonewatch": b"json"}
INT64 = 2**63
EXACT_FLOAT = 2**53


def kind_of(value: object) -> str:
    """Return the kind of a JSON value: null, bool, int, long, float, str or json.

    An `int` is exact as a float too, a `long` only as an integer of 64 bits.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if abs(value) <= EXACT_FLOAT:
            return "int"
        return "long" if -INT64 <= value < INT64 else "json"
    return {float: "float", str: "str"}.get(type(value), "json")


def json_field(name: str, kinds: Set[str]) -> "Field":
    """Return the Arrow field for values of these kinds."""
    import pyarrow

    plain = (
        ({"str"}, pyarrow.string()),
        ({"bool"}, pyarrow.bool_()),
        ({"int", "long"}, pyarrow.int64()),
        ({"int", "float"}, pyarrow.float64()),
    )
    for allowed, kind in plain:
        if kinds <= allowed | {"null"}:
            return pyarrow.field(name, kind)
    return pyarrow.field(name, pyarrow.string(), metadata=MARK)


def is_json_column(field: "Field") -> bool:
    """Return whether a column holds the JSON of its values."""
    return bool(field.metadata) and field.metadata.items() >= MARK.items()


def load_json_column(values: Sequence[str | None]) -> list[Any]:
    """Return the values that a column of JSON stands for."""
    return [None if value is None else json.loads(value) for value in values]


def dump_json_columns(row: Mapping[str, Any], columns: Set[str]) -> Mapping[str, Any]:
    """Return a row whose values in these columns are stored as JSON."""
    if columns.isdisjoint(row):
        return row
    return {
        name: json.dumps(value, ensure_ascii=False) if name in columns and value is not None else value
        for name, value in row.items()
    }


def json_value(value: Any) -> Any:
    """Return a value of a table as JSON can hold it: times and decimals as text, bytes in base64."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(name): json_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
