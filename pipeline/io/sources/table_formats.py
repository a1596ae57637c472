"""Rows of delimited text, CSV, JSONL and Parquet files."""

import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from pipeline.base.errors import DataRejected

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

    from pyarrow import Array
    from pyarrow.parquet import ColumnChunkMetaData, FileMetaData

Row = dict[str, str]
BATCH_ROWS = 1000
# What a value of a Parquet file counts at least: a long run of nulls takes a few bytes there.
VALUE_BYTES = 8
# What stands in a column that is written as a dictionary; RLE is for the nulls.
DICTIONARY = ("RLE", "PLAIN_DICTIONARY", "RLE_DICTIONARY")


def decode(content: bytes, where: str) -> TextIO:
    """Return UTF-8 bytes as a text file; raise DataRejected for other bytes and for none."""
    if not content.strip():
        raise DataRejected(f"{where} is empty.")
    with _utf8(where, lambda: 0):
        content.decode("utf-8-sig")
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")


def delimited_rows(
    file: TextIO, delimiter: str, header: Sequence[str], *, where: str, max_bytes: int
) -> Iterator[Row]:
    """Yield the rows of delimited text without a header line; `header` names its columns."""
    # In tab-separated text a quote is part of the text; in comma-separated text it encloses commas.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    with _long_fields(max_bytes):
        yield from _table(csv.reader(file, delimiter=delimiter, quoting=quoting), header, where)


def _csv(path: Path, where: str, max_bytes: int) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file, _long_fields(max_bytes):
        reader = csv.reader(file)
        with _utf8(where, lambda: reader.line_num + 1):
            header = next((row for row in reader if row), [])
        if len(set(header)) < len(header):
            raise DataRejected(f"{where} repeats a column name in its header. Give each column its own name.")
        yield from _table(reader, header, where)


def _table(reader: "CsvReader", header: Sequence[str], where: str) -> Iterator[Row]:
    with _utf8(where, lambda: reader.line_num + 1):
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise DataRejected(
                    f"{where}, line {reader.line_num}: {len(row)} columns, expected {len(header)}. "
                    "Correct that line."
                )
            yield dict(zip(header, row, strict=True))


def _jsonl(path: Path, where: str, _: int) -> Iterator[Row]:
    number = 0
    with path.open(encoding="utf-8-sig") as file, _utf8(where, lambda: number + 1):
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataRejected(
                    f"{where}, line {number} is not JSON ({type(error).__name__}). Write one object a line."
                ) from error
            if not isinstance(row, dict):
                raise DataRejected(
                    f"{where}, line {number} is not an object. "
                    'Write one object a line, for example {"text": "…"}.'
                )
            yield {name: _string(value) for name, value in row.items()}


def _parquet(path: Path, where: str, max_bytes: int) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    too_large = DataRejected(
        f"{where} unpacks to more than {max_bytes:,} bytes. "
        "Raise `collect.max_megabytes` in params.yaml to read it."
    )
    left = max_bytes
    try:
        metadata = pyarrow.parquet.read_metadata(path)
        if _least_bytes(metadata) > max_bytes:
            raise too_large
        texts = _dictionary_columns(metadata)
        with pyarrow.parquet.ParquetFile(path, metadata=metadata, read_dictionary=texts) as table:
            for batch in table.iter_batches(batch_size=_rows_at_once(metadata, max_bytes)):
                left -= sum(map(_unpacked_bytes, batch.columns))
                if left < 0:
                    raise too_large
                columns = [_plain(column).to_pylist() for column in batch.columns]
                for values in zip(*columns, strict=True):
                    yield dict(zip(batch.schema.names, map(_string, values), strict=True))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataRejected(
            f"{where} cannot be read as Parquet ({type(error).__name__}). "
            "Check `kind` of this source in params.yaml."
        ) from error


def _least_bytes(metadata: "FileMetaData") -> int:
    """Return how many bytes a Parquet file unpacks to at least, by what it says of itself."""
    columns = list(_columns(metadata))
    unpacked = int(sum(one.total_uncompressed_size for one in columns))
    return max(unpacked, VALUE_BYTES * int(sum(one.num_values for one in columns)))


def _dictionary_columns(metadata: "FileMetaData") -> list[str]:
    """Return the columns to read as a dictionary, which holds each text once however many rows repeat it."""
    plain = {
        one.path_in_schema
        for one in _columns(metadata)
        if not {"PLAIN", *DICTIONARY}.issuperset(one.encodings)
    }
    schema = metadata.schema.to_arrow_schema()
    return [one.name for one in schema if str(one.type).endswith("string") and one.name not in plain]


def _rows_at_once(metadata: "FileMetaData", max_bytes: int) -> int:
    """Return how many rows to unpack at once, so that they fit `max_bytes`.

    In the encoding DELTA_BYTE_ARRAY each value may repeat all of the one before, so a column stands for more
    than its size.
    """
    sizes = [one.total_uncompressed_size for one in _columns(metadata) if "DELTA_BYTE_ARRAY" in one.encodings]
    return max(1, min(BATCH_ROWS, max_bytes // int(max([1, *sizes]))))


def _unpacked_bytes(column: "Array") -> int:
    import pyarrow
    import pyarrow.compute

    if not isinstance(column, pyarrow.DictionaryArray):
        return int(column.nbytes) + VALUE_BYTES * len(column)
    lengths = pyarrow.compute.binary_length(column.dictionary).take(column.indices)
    return int(pyarrow.compute.sum(lengths).as_py() or 0) + VALUE_BYTES * len(column)


def _plain(column: "Array") -> "Array":
    # Value by value a dictionary is four times as slow.
    return column.dictionary_decode() if hasattr(column, "dictionary_decode") else column


def _columns(metadata: "FileMetaData") -> Iterator["ColumnChunkMetaData"]:
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            yield metadata.row_group(group).column(column)


READERS: dict[str, Callable[[Path, str, int], Iterator[Row]]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}


def _string(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    # JSON can spell half of a surrogate pair, which UTF-8 cannot encode.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@contextlib.contextmanager
def _utf8(where: str, line: Callable[[], int]) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        near = f" near line {line()}" if line() else f" (byte {error.start:,})"
        raise DataRejected(f"{where} is not UTF-8 text{near}. Save it as UTF-8.") from error
    except csv.Error as error:
        raise DataRejected(
            f"{where}{f', line {line() - 1}' if line() else ''} cannot be read as a table ({error})."
        ) from error


@contextlib.contextmanager
def _long_fields(max_bytes: int) -> Iterator[None]:
    """Accept fields as long as a file may be: a giant text is quarantined by `clean` and stops no reading."""
    before = csv.field_size_limit(max_bytes)
    try:
        yield
    finally:
        csv.field_size_limit(before)
