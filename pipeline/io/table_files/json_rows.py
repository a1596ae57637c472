"""Rows of JSON: one object a line, or an array of objects; nested keys are written `a.b`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from pipeline.base.errors import DataRejected
from pipeline.base.records import Unreadable
from pipeline.io.table_files.encodings import broken_bytes, readable
from pipeline.io.table_files.shape import Row, Rows, TableRequest

MAX_DEPTH = 8
KEYS_LISTED = 20
CHUNK_CHARACTERS = 1 << 16
# One object of an array; a larger one is no row.
MAX_OBJECT_CHARACTERS = 50_000_000
# A list is what these fields are for.
LIST_FIELDS = ("raters", "label")
BLANKS = " \t\r\n,"


def cell(value: object) -> str:
    """Return a value of JSON as a cell; what is missing is empty."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    if text.isascii():
        return text
    # JSON can spell half of a surrogate pair, which UTF-8 cannot encode.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def flatten(value: Mapping[str, Any], request: TableRequest, place: str) -> Row:
    """Return the cells of an object; keys of objects inside it are written `a.b`.

    Raises DataRejected where a mapped column holds objects, a list of objects, or a list outside of labels
    and raters; `place` names the row's place.
    """
    row: Row = {}
    _flatten(value, "", row, request, place, MAX_DEPTH)
    return row


def _flatten(
    value: Mapping[str, Any], prefix: str, row: Row, request: TableRequest, place: str, *depth: int
) -> None:
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if isinstance(inner, dict):
            if name in request.mapped:
                raise DataRejected(_holds_objects(name, inner, request, place))
            if depth[0]:
                _flatten(inner, f"{name}.", row, request, place, depth[0] - 1)
        elif isinstance(inner, list | tuple):
            row[name] = _list_cell(name, inner, request, place)
        elif isinstance(inner, bytes | bytearray):
            row[name] = bytes(inner).decode("utf-8", "surrogateescape")
        else:
            row[name] = cell(inner)


def _holds_objects(name: str, inner: Mapping[str, Any], request: TableRequest, place: str) -> str:
    keys = [str(key)[:40] for key in inner][:KEYS_LISTED]
    field = request.mapped[name]
    best = next(
        (key for key in keys if key in (field, "name", "text", "value", "label")), keys[0] if keys else ""
    )
    return (
        f"{request.where}, {place}: column {name} holds objects with the keys {_listed(keys)}. "
        f"Write `{field}: {name}.{best}` in `columns` of this source in params.yaml."
    )


def _list_cell(name: str, inner: Any, request: TableRequest, place: str) -> str:
    field = request.mapped.get(name)
    simple = all(not isinstance(one, list | tuple | dict) for one in inner)
    if field is not None and field != "spans" and (field not in LIST_FIELDS or not simple):
        raise DataRejected(
            f"{request.where}, {place}: column {name} holds lists, but `{field}` needs one value a row. "
            f"Name another column in `columns.{field}` of this source in params.yaml."
        )
    # Before a column is mapped, `init` finds out from the cells that they hold spans; `[]` is no empty cell.
    if field in ("spans", "raters") or not simple or not inner:
        return cell(json.dumps(list(inner), ensure_ascii=False, default=str))
    return ",".join(cell(one) for one in inner)


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def jsonl_rows(text: TextIO, request: TableRequest) -> Rows:
    """Yield a row for each line; a line that is no object is unreadable.

    Raises DataRejected at line 1 of a file that is one JSON document.
    """
    row = 0
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        row += 1
        if number == 1:
            _refuse_document(line, request)
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = f"the line is not JSON ({_fault(error)})"
        else:
            reason = "" if isinstance(value, dict) else "the line is not an object"
        reason = broken_bytes([line]) or reason
        if reason:
            yield Unreadable(request.where, number, row, "", reason, readable(line.rstrip("\r\n")))
        else:
            yield flatten(value, request, f"line {number}")


def _fault(error: Exception) -> str:
    return f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too deep"


def _refuse_document(line: str, request: TableRequest) -> None:
    start = line.strip()
    if start in ("[", "{", "[{") or (start.startswith("[{") and not start.endswith("]")):
        shape = "a JSON array" if start.startswith("[") else "one JSON object"
        raise DataRejected(
            f"{request.where} is {shape} over several lines (line 1 is not JSON by itself), "
            "not one object a line. Write `kind: json` for this source in params.yaml."
        )
    try:
        value = json.loads(start)
    except (ValueError, RecursionError):
        return
    if isinstance(value, list) and value and isinstance(value[0], dict):
        raise DataRejected(
            f"{request.where} is a JSON array, so line 1 is not an object. "
            "Write `kind: json` for this source in params.yaml."
        )


def json_rows(text: TextIO, request: TableRequest) -> Rows:
    """Yield a row for each object of an array, which is the whole file or the value of a key of one object.

    Raises DataRejected for a file without such an array, or whose end is missing.
    """
    for number, (line, value) in enumerate(_Document(text, request.where).elements(), start=1):
        if isinstance(value, dict):
            yield flatten(value, request, f"line {line}")
        else:
            yield Unreadable(
                request.where, line, number, "", "not an object", readable(json.dumps(value)[:200])
            )


class _Document:
    """Read the elements of the array in a JSON document, one after the other."""

    def __init__(self, text: TextIO, where: str) -> None:
        self._text, self._where = text, where
        self._buffer, self._place, self._line, self._ended = "", 0, 1, False
        self._decoder = json.JSONDecoder()

    def elements(self) -> Iterator[tuple[int, Any]]:
        first = self._next_character()
        if first == "{" and not self._enter_array():
            raise DataRejected(
                f"{self._where} is a JSON object without an array of objects. "
                "Save it as an array of objects (pandas: `orient='records'`), or one object a line."
            )
        if first not in ("{", "["):
            raise DataRejected(f"{self._where}, line {self._line}: this is not JSON. Check `kind`.")
        if first == "[":
            self._place += 1
        while (character := self._next_character()) != "]":
            if not character:
                raise DataRejected(
                    f"{self._where} ends in line {self._line} before its array does: a download was cut. "
                    "Fetch the file again."
                )
            line = self._line
            yield line, self._value()

    def _enter_array(self) -> bool:
        """Move into the first array of objects that is the value of a key; return whether there is one."""
        self._place += 1
        while (character := self._next_character()) == '"':
            self._value()
            if self._next_character() != ":":
                return False
            self._place += 1
            character = self._next_character()
            if character == "[":
                self._place += 1
                if self._next_character() == "{":
                    return True
                while (inner := self._next_character()) not in ("]", ""):
                    self._value()
                self._place += 1
                if not inner:
                    return False
            else:
                self._value()
        return False

    def _next_character(self) -> str:
        """Return the next character that is no blank and no comma, without moving past it; "" at the end."""
        while True:
            while self._place < len(self._buffer):
                character = self._buffer[self._place]
                if character not in BLANKS:
                    return character
                self._line += character == "\n"
                self._place += 1
            if not self._read():
                return ""

    def _value(self) -> Any:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._place)
            except RecursionError as error:
                raise self._fault("nested too deeply") from error
            except ValueError as error:
                if self._read():
                    continue
                raise self._fault(str(error).partition(":")[0]) from error
            # A number may go on in the next chunk.
            if end == len(self._buffer) and self._read():
                continue
            self._line += self._buffer.count("\n", self._place, end)
            self._place = end
            return value

    def _fault(self, reason: str) -> DataRejected:
        return DataRejected(
            f"{self._where}, line {self._line}: this is not JSON ({reason}). Correct the file there."
        )

    def _read(self) -> bool:
        if self._ended:
            return False
        # As much again as is there, so that a long object is not scanned once for each chunk.
        chunk = self._text.read(max(CHUNK_CHARACTERS, len(self._buffer) - self._place))
        self._buffer = self._buffer[self._place :] + chunk
        self._place = 0
        self._ended = not chunk
        if len(self._buffer) > MAX_OBJECT_CHARACTERS:
            raise self._fault(f"one value has more than {MAX_OBJECT_CHARACTERS:,} characters")
        return bool(chunk)
