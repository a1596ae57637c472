"""Rows of text tables, line by line: every error names its line, and no line is longer than a bound."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from pipeline.base.errors import DataRejected

# A quote that is never closed would otherwise read the rest of a file into one cell.
MAX_LINE_BYTES = 16_000_000
MAX_COLUMNS = 10_000
# A table without a single comma in its header is one of these, as spreadsheets of many countries save it.
OTHER_DELIMITERS = (";", "\t", "|")
# The first bytes of files that are no text.
MAGIC = {
    b"PK\x03\x04": "a zip or Excel file; save the table as CSV",
    b"PAR1": "a Parquet file; name it .parquet",
    b"\x1f\x8b": "a gzip file; name it .gz",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}
UNPACK_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


def read_lines(path: Path, *, gzipped: bool) -> Iterator[str]:
    """Yield the lines of a UTF-8 file with their line ends; raises DataRejected for what is no such line."""
    opener: Any = gzip.open if gzipped else open
    with opener(path, "rb") as file:
        try:
            yield from decode_lines(file, str(path))
        except UNPACK_ERRORS as error:
            raise DataRejected(f"{path} cannot be unpacked ({error}). Pack it again with gzip.") from error


def decode_lines(file: IO[bytes], where: str) -> Iterator[str]:
    """Yield the lines of an open UTF-8 file; raises DataRejected as `read_lines` does."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            for magic, kind in MAGIC.items():
                if line.startswith(magic):
                    raise DataRejected(f"{where} is no text but {kind}.")
        if len(line) > MAX_LINE_BYTES:
            raise DataRejected(
                f"{where}, line {number} has more than {MAX_LINE_BYTES:,} bytes. Break it, or leave it out."
            )
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataRejected(
                f"{where}, line {number} is not UTF-8 (byte {error.start + 1} of the line). "
                "Save the file as UTF-8."
            ) from error


def read_cells(path: Path, *, delimiter: str, gzipped: bool) -> Iterator[list[str]]:
    """Yield the header of delimited text, then its rows, each as wide as the header.

    A quote encloses a cell, as spreadsheets, pandas and DuckDB write it. Raises DataRejected with the line
    of a row that is wider or narrower, or whose quote is never closed.
    """
    lines = read_lines(path, gzipped=gzipped)
    first = next(lines, "")
    if delimiter == "," and delimiter not in first:
        delimiter = next((other for other in OTHER_DELIMITERS if other in first), delimiter)
    before = csv.field_size_limit(MAX_LINE_BYTES)
    start, header = 1, None
    reader = csv.reader(_chain(first, lines), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            # In a table of one column an empty line is a row without a text.
            if not row and header is not None and len(header) == 1:
                row = [""]
            if row:
                header = header or _checked_header(row, path)
                if len(row) != len(header):
                    raise DataRejected(
                        f"{path}, line {start}: {len(row)} columns, expected {len(header)}. "
                        "Correct that line."
                    )
                yield row
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataRejected(
            f"{path}, the row that starts in line {start} cannot be read ({error}). "
            "Close its quote, and double a quote within a quoted cell."
        ) from error
    finally:
        csv.field_size_limit(before)
    if header is None:
        raise DataRejected(f"{path} is empty. Put a table with a header and rows there.")


def read_objects(path: Path, *, gzipped: bool) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file; raises DataRejected with the line of what is no object."""
    example = 'Write one object a line, for example {"text": "…"}.'
    for number, line in enumerate(read_lines(path, gzipped=gzipped), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_unique, parse_constant=_reject_constant)
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, DataRejected | ValueError) else "nested too deeply"
            raise DataRejected(f"{path}, line {number} is not JSON ({reason}). {example}") from error
        if not isinstance(row, dict):
            raise DataRejected(f"{path}, line {number} is not an object. {example}")
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise DataRejected(
                f"{path}, line {number} contains half of a surrogate pair, which UTF-8 cannot encode. "
                "Correct that line."
            ) from error
        yield row


def _chain(first: str, lines: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from lines


def _checked_header(header: Sequence[str], path: Path) -> list[str]:
    if len(header) > MAX_COLUMNS:
        raise DataRejected(f"{path} has more than {MAX_COLUMNS:,} columns. Leave some out.")
    if repeated := sorted(name for name in {*header} if header.count(name) > 1):
        raise DataRejected(f"{path} has several columns {repeated[0]!r}. Give each column its own name.")
    return list(header)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a key is repeated in one object")
    return row


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
