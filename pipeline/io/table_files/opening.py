"""Open a table of any shape: what the file is, how it is packed and written, and its rows."""

import contextlib
import dataclasses
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from pipeline.base.config.sources import AUTO
from pipeline.base.errors import DataRejected
from pipeline.io.table_files import encodings, json_rows, lines
from pipeline.io.table_files.delimited import open_delimited
from pipeline.io.table_files.packing import Packing, find_packing, open_unpacked
from pipeline.io.table_files.parquet_rows import open_parquet
from pipeline.io.table_files.shape import OpenTable, Rows, Shape, TableRequest
from pipeline.io.table_files.spreadsheets import open_spreadsheet

KIND_NAMES = {
    "parquet": "a Parquet file",
    "xlsx": "an Excel file (xlsx)",
    "xls": "an old Excel file (xls)",
    "ods": "an OpenDocument spreadsheet",
}
TEXT_KINDS = ("csv", "tsv", "jsonl", "json", "text", "fasttext", "conll")


@contextlib.contextmanager
def open_table(request: TableRequest) -> Iterator[OpenTable]:
    """Open a table; its shape is known before the first row is read.

    Raises DataRejected for a file that is not what the request says, or is no table; SourceUnreachable for
    one that cannot be read.
    """
    packing = find_packing(request.path, request.where, max_bytes=request.max_bytes, member=request.member)
    if packing.kind:
        _require_kind(request, packing.kind)
        if packing.kind == "parquet":
            yield OpenTable(*open_parquet(request))
        else:
            yield OpenTable(*open_spreadsheet(request, packing.kind))
        return
    if request.kind is not None and request.kind not in TEXT_KINDS:
        _refuse_text(request, packing)
    with (
        open_unpacked(request.path, packing, request.where, max_bytes=request.max_bytes) as stream,
        _open_text(stream, packing, request) as (text, sample, whole, shape),
    ):
        yield OpenTable(*_read_text(text, sample, request, shape, whole=whole))


def _require_kind(request: TableRequest, found: str) -> None:
    if request.kind not in (None, found):
        name = KIND_NAMES[found]
        raise DataRejected(
            f"{request.where} is not {str(request.kind).upper()} but {name}; "
            f"set `kind: {found}` for this source in params.yaml."
        )


def _refuse_text(request: TableRequest, packing: Packing) -> None:
    packed = f", packed as {packing.name}" if packing.name else ""
    if request.kind == "parquet" and packing.name in ("", "zip"):
        raise DataRejected(
            f"{request.where} cannot be read as Parquet (it begins with other bytes{packed}). "
            "Check `kind` of this source in params.yaml: csv, tsv, jsonl, json or text."
        )
    raise DataRejected(
        f"{request.where} is no {request.kind}{packed}. "
        f"Set `kind` of this source in params.yaml to what the file is; a {request.kind} is not packed again."
    )


@contextlib.contextmanager
def _open_text(
    stream: BinaryIO, packing: Packing, request: TableRequest
) -> Iterator[tuple[TextIO, str, bool, Shape]]:
    """Open unpacked bytes as text, with the text at its start and whether that is all of it."""
    start = _peek(stream, encodings.SAMPLE_BYTES)
    whole = len(start) < encodings.SAMPLE_BYTES
    if not start.removeprefix(b"\xef\xbb\xbf").strip():
        raise DataRejected(f"{request.where} is empty. Put a table with a header and rows there.")
    encoding, note = request.encoding, ""
    if encoding == AUTO:
        encoding, note = encodings.sniff_encoding(start, whole=whole, where=request.where)
    elif encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = encodings.UTF8
    sample = encodings.open_text(io.BytesIO(start), encoding).read()
    shape = Shape(
        request.kind or "",
        (),
        packing=packing.name,
        member=packing.member,
        encoding="utf-8" if encoding == encodings.UTF8 else encoding,
        sniffed=("encoding",) if request.encoding == AUTO else (),
        notes=(note,) if note else (),
    )
    text = encodings.open_text(_buffered(_Joined(start, stream)), encoding)
    try:
        yield text, sample, whole, shape
    finally:
        text.detach()


def _peek(stream: BinaryIO, size: int) -> bytes:
    parts = []
    left = size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _buffered(raw: io.RawIOBase) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(raw, 1 << 18))


class _Joined(io.RawIOBase):
    """Read a start that was looked at, then the rest of its stream."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start: io.BytesIO | None = io.BytesIO(start)
        self._rest = rest

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return how many bytes."""
        if self._start is not None:
            if count := self._start.readinto(buffer):
                return count
            self._start = None
        content = self._rest.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def _read_text(
    text: TextIO, sample: str, request: TableRequest, shape: Shape, *, whole: bool
) -> tuple[Shape, Rows]:
    kind = request.kind or text_kind(sample, request.path)
    shape = dataclasses.replace(shape, kind=kind)
    if kind in ("csv", "tsv"):
        _refuse_json(sample, request)
        try:
            return open_delimited(text, sample, request, shape, whole=whole)
        except DataRejected:
            if request.kind is not None:
                raise
            kind = "text"
            shape = dataclasses.replace(shape, kind=kind)
    if kind == "jsonl":
        return shape, json_rows.jsonl_rows(text, request)
    if kind == "json":
        return shape, json_rows.json_rows(text, request)
    if kind == "fasttext":
        return dataclasses.replace(shape, columns=("text", "label")), lines.fasttext_rows(text, request)
    if kind == "conll":
        return dataclasses.replace(shape, columns=("text", "tags")), lines.conll_rows(text, request)
    columns = ("text", "label") if request.labels_path else ("text",)
    return dataclasses.replace(shape, columns=columns), _two_files(text, request)


def _two_files(text: TextIO, request: TableRequest) -> Rows:
    if request.labels_path is None:
        yield from lines.text_rows(text, None, request)
        return
    other = dataclasses.replace(
        request,
        path=request.labels_path,
        where=f"{request.where}, labels {request.labels_path.name}",
        encoding=AUTO,
        member=None,
    )
    packing = find_packing(other.path, other.where, max_bytes=other.max_bytes)
    with (
        open_unpacked(other.path, packing, other.where, max_bytes=other.max_bytes) as stream,
        _open_text(stream, packing, other) as (labels, _, _, _),
    ):
        yield from lines.text_rows(text, labels, request)


def _refuse_json(sample: str, request: TableRequest) -> None:
    if request.kind is not None and (found := text_kind(sample, Path("x"))) in ("json", "jsonl"):
        words = "a JSON document" if found == "json" else "JSON with one object a line"
        raise DataRejected(
            f"{request.where} is not {request.kind.upper()} but {words}; "
            f"set `kind: {found}` for this source in params.yaml."
        )


def text_kind(sample: str, path: Path) -> str:
    """Return the kind of a text file: jsonl, json, fasttext, conll, tsv or csv, by how it begins."""
    start = sample.lstrip("\ufeff \t\r\n")
    if start[:1] in ("{", "["):
        return _json_kind(start)
    heads = [line for line in sample.splitlines()[:200] if line.strip()]
    if heads and sum("__label__" in line for line in heads) > 0.9 * len(heads):
        return "fasttext"
    if _is_conll(sample):
        return "conll"
    suffixes = {suffix.lower() for suffix in path.suffixes}
    return "tsv" if suffixes & {".tsv", ".tab"} and "\t" in sample else "csv"


def _json_kind(start: str) -> str:
    if start.startswith("["):
        # Anything but an array of objects is text that begins with a bracket.
        return "json" if re.match(r"\[\s*[{\]]", start) else "csv"
    first = start.splitlines()[0].rstrip()
    if re.match(r'\{\s*("|$|\})', first) is None:
        return "csv"
    one_line = "\n" not in start.strip()
    return "jsonl" if one_line or (first.endswith("}") and "\n{" in start) else "json"


def _is_conll(sample: str) -> bool:
    """Return whether short lines of equally many words are parted by empty lines, a sentence each."""
    rows = sample.splitlines()[:400]
    filled = [line for line in rows if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    empty = sum(not line.strip() for line in rows)
    if len(filled) < 4 or not 0.01 * len(rows) < empty < 0.6 * len(rows):
        return False
    widths = {len(line.split("\t") if "\t" in line else line.split()) for line in filled}
    words = sum(len(line) for line in filled) / len(filled)
    return len(widths) == 1 and min(widths) in range(2, 15) and words < 80
