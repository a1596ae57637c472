"""Rows of Parquet files: only mapped columns are unpacked, in batches that fit the limit."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.base.errors import DataRejected
from pipeline.base.records import Unreadable
from pipeline.io.table_files.delimited import require_distinct
from pipeline.io.table_files.encodings import broken_bytes, readable
from pipeline.io.table_files.json_rows import cell, flatten
from pipeline.io.table_files.shape import Row, Rows, Shape, TableRequest

if TYPE_CHECKING:
    from pyarrow import Array
    from pyarrow.parquet import ColumnChunkMetaData, FileMetaData

BATCH_ROWS = 1000
# What a value of a Parquet file counts at least: a long run of nulls takes a few bytes there.
VALUE_BYTES = 8
# What stands in a column that is written as a dictionary; RLE is for the nulls.
DICTIONARY = ("RLE", "PLAIN_DICTIONARY", "RLE_DICTIONARY")


def open_parquet(request: TableRequest) -> tuple[Shape, Rows]:
    """Return the columns of a Parquet file and its rows.

    Raises DataRejected for a file that is none, for a mapped column that occurs twice, and for one
    that unpacks to more than the limit.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_metadata(request.path)
        schema = metadata.schema.to_arrow_schema()
    except (pyarrow.ArrowException, OSError) as error:
        raise _no_parquet(request, error) from error
    notes = []
    try:
        require_distinct(schema.names, request.mapped, request.where)
    except DataRejected as error:
        if request.mapped:
            raise
        notes.append(str(error))
    if _least_bytes(metadata) > request.max_bytes:
        raise _too_large(request)
    binary = [one.name for one in schema if "binary" in str(one.type) and _is_wanted(one.name, request)]
    if binary:
        notes.append(f"Column {', '.join(binary)} holds bytes: they are read as UTF-8 text.")
    columns = tuple(_names(schema))
    return Shape("parquet", columns, notes=tuple(notes)), _rows(request, metadata, schema.names)


def _names(schema: Any, prefix: str = "") -> Iterator[str]:
    import pyarrow

    for one in schema:
        if pyarrow.types.is_struct(one.type):
            yield from _names(one.type, f"{prefix}{one.name}.")
        else:
            yield f"{prefix}{one.name}"


def _rows(request: TableRequest, metadata: "FileMetaData", names: Sequence[str]) -> Rows:
    import pyarrow
    import pyarrow.parquet

    left = request.max_bytes
    number = 0
    # A name that occurs twice cannot be asked for.
    wanted = [name for name in names if names.count(name) == 1 and _is_wanted(name, request)]
    texts = [name for name in _dictionary_columns(metadata) if name in wanted]
    try:
        with pyarrow.parquet.ParquetFile(request.path, metadata=metadata, read_dictionary=texts) as table:
            size = _rows_at_once(metadata, request.max_bytes)
            for batch in table.iter_batches(batch_size=size, columns=wanted):
                left -= sum(map(_unpacked_bytes, batch.columns))
                if left < 0:
                    raise _too_large(request)
                for row in _batch_rows(batch, request, number):
                    number += 1
                    yield row
    except (pyarrow.ArrowException, OSError) as error:
        raise _no_parquet(request, error) from error


def _is_wanted(name: str, request: TableRequest) -> bool:
    return not request.mapped or any(one == name or one.startswith(f"{name}.") for one in request.mapped)


def _batch_rows(batch: Any, request: TableRequest, number: int) -> Rows:
    columns = [_values(_plain(column)) for column in batch.columns]
    nested = any(_is_nested(column.type) for column in batch.columns)
    names = batch.schema.names
    for values in zip(*columns, strict=True):
        number += 1
        if nested:
            row = flatten(dict(zip(names, values, strict=True)), request, f"row {number}")
        else:
            row = dict(zip(names, map(_cell, values), strict=True))
        fault = _fault(row)
        if fault is None:
            yield row
        else:
            column, reason = fault
            yield Unreadable(request.where, 0, number, column, reason, readable(row[column]))


def _fault(row: Row) -> tuple[str, str] | None:
    for name, value in row.items():
        if not value.isascii() and (reason := broken_bytes([value])):
            return name, f"the cell is not UTF-8 ({reason})"
    return None


def _is_nested(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_nested(kind))


def _values(column: Any) -> list[Any]:
    """Return the values of a column; what Python has no type for (the year 10000) is as Arrow writes it."""
    import pyarrow

    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        large = pyarrow.types.is_large_string(column.type)
        as_bytes = column.cast(pyarrow.large_binary() if large else pyarrow.binary())
        return list(as_bytes.to_pylist())
    except (ValueError, OverflowError, pyarrow.ArrowException):
        return [_single(one) for one in column]


def _single(scalar: Any) -> Any:
    import pyarrow

    try:
        return scalar.as_py()
    except (ValueError, OverflowError, pyarrow.ArrowException):
        pass
    try:
        return scalar.cast(pyarrow.string()).as_py()
    except (ValueError, OverflowError, pyarrow.ArrowException):
        return str(scalar)


def _cell(value: object) -> str:
    if type(value) is str and value.isascii():
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return cell(value)


def _no_parquet(request: TableRequest, error: Exception) -> DataRejected:
    reason = str(error).splitlines()[0][:120] if str(error) else ""
    return DataRejected(
        f"{request.where} cannot be read as Parquet ({type(error).__name__}: {reason}). "
        "Check `kind` of this source in params.yaml, or fetch the file again."
    )


def _too_large(request: TableRequest) -> DataRejected:
    return DataRejected(
        f"{request.where} unpacks to more than {request.max_bytes:,} bytes. "
        "Raise `collect.max_megabytes` in params.yaml to read it."
    )


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
