"""Write a table of the user in batches: the batches read, with columns added; the file is whole or absent."""

import contextlib
import csv
import fcntl
import gzip
import io
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from pipeline.base.errors import UsageError, WorkspaceBusy
from pipeline.base.spreadsheet import inert
from pipeline.io.files import report_disk_full
from pipeline.io.tables.formats import DELIMITERS, TableFormat, require_format
from pipeline.io.tables.json_columns import is_json_column, json_field, json_value, load_json_column

if TYPE_CHECKING:
    from pyarrow import RecordBatch, Schema

ROW_GROUP_ROWS = 65_536
ROW_GROUP_BYTES = 16_000_000
ANYBODY = 0o666


class RowWriter(Protocol):
    """Write batches in one format."""

    def write(self, batch: "RecordBatch") -> None:
        """Write the rows of a batch."""

    def close(self) -> None:
        """Write what is left."""


class TableWriter:
    """Write batches with added columns; `escaped` counts the cells written as text, not as a formula."""

    def __init__(self, rows: RowWriter, schema: "Schema") -> None:
        self._rows = rows
        self._schema = schema

    @property
    def escaped(self) -> int:
        """Return how many cells got a quote before them."""
        return self._rows.escaped if isinstance(self._rows, DelimitedRows) else 0

    def write(self, batch: "RecordBatch", added: Mapping[str, Sequence[object]]) -> None:
        """Write the rows of a batch that was read, with the values of the added columns."""
        import pyarrow

        arrays = [pyarrow.array(values, self._schema.field(name).type) for name, values in added.items()]
        self._rows.write(pyarrow.RecordBatch.from_arrays([*batch.columns, *arrays], schema=self._schema))


@contextlib.contextmanager
def write_table(
    out: Path, schema: "Schema", added: Mapping[str, type], *, like: Path | None, replace: bool
) -> Iterator[TableWriter]:
    """Yield a writer of a table that gets its name only at the end of the block; after an error none is left.

    `added` are the names and types of columns after those of `schema`: str, bool, float, and list, whose
    values are JSON. Whoever may read
    the file `like` may read the table. Raises UsageError where `out` exists and `replace` is not set,
    WorkspaceBusy while another process writes it.
    """
    import pyarrow

    found = require_format(out)
    check_out(out, replace=replace)
    types = {str: pyarrow.string(), bool: pyarrow.bool_(), float: pyarrow.float64()}
    columns = (
        json_field(name, {"json"}) if kind is list else pyarrow.field(name, types[kind])
        for name, kind in added.items()
    )
    fields = [*schema, *columns]
    full = pyarrow.schema(fields, metadata=schema.metadata)
    with report_disk_full(out), _part_of(out) as part:
        with contextlib.ExitStack() as stack:
            rows = _open_rows(stack, part, found, full)
            yield TableWriter(rows, full)
            rows.close()
        if like is not None:
            part.chmod(stat.S_IMODE(like.stat().st_mode) & ANYBODY)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        check_out(out, replace=replace)
        os.replace(part, out)


def _open_rows(stack: contextlib.ExitStack, part: Path, found: TableFormat, schema: "Schema") -> RowWriter:
    if found.kind == "parquet":
        return ParquetRows(part, schema)
    binary: Any = stack.enter_context(part.open("wb"))
    if found.gzipped:
        # Without a name and a time in it, equal tables are equal bytes.
        binary = stack.enter_context(gzip.GzipFile("", "wb", fileobj=binary, mtime=0))
    file = stack.enter_context(io.TextIOWrapper(binary, "utf-8", newline=""))
    if found.kind == "jsonl":
        return ObjectRows(file)
    return DelimitedRows(file, schema, DELIMITERS[found.kind])


def check_out(out: Path, *, replace: bool) -> None:
    """Raise UsageError where a table cannot be written at `out`."""
    if out.is_dir() or not out.parent.is_dir():
        fault = "is a folder" if out.is_dir() else f"cannot be written: there is no folder {out.parent}"
        raise UsageError(f"{out} {fault}. Name a file in a folder that exists with `--out`.")
    if out.exists() and not replace:
        raise UsageError(f"{out} exists and stays as it is. Name another file, or add `--force`.")


@contextlib.contextmanager
def _part_of(out: Path) -> Iterator[Path]:
    """Lock and yield a file beside `out`; one that a killed process left behind is written anew."""
    part = out.with_name(f".{out.name}.part")
    try:
        handle = os.open(part, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UsageError(
            f"{out} cannot be written ({error.strerror}). Name a file in another folder with `--out`."
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise WorkspaceBusy(f"Another process is writing {out}. Wait for it, or name another file.") from None
    try:
        yield part
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


class DelimitedRows:
    """Write CSV or TSV; a cell that a spreadsheet would evaluate gets a quote before it."""

    def __init__(self, file: IO[str], schema: "Schema", delimiter: str) -> None:
        self._file = file
        self._rows = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        # csv quotes the line end that it writes, and not the other one, which it reads as a line end too.
        self._quoted_rows = csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self.escaped = 0
        self._write_row([self._text(name) for name in schema.names])

    def write(self, batch: "RecordBatch") -> None:
        """Write the rows of a batch."""
        columns = [[self._cell(value) for value in values] for values in _columns(batch).values()]
        for row in zip(*columns, strict=True):
            self._write_row(row)

    def close(self) -> None:
        """Write what is buffered."""
        self._file.flush()

    def _write_row(self, row: Sequence[str]) -> None:
        quoted = any("\r" in cell for cell in row)
        (self._quoted_rows if quoted else self._rows).writerow(row)

    def _cell(self, value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return repr(value)
        if isinstance(value, str):
            return self._text(value)
        plain = json_value(value)
        return self._text(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))

    def _text(self, text: str) -> str:
        safe = inert(text)
        self.escaped += safe is not text
        return safe


class ObjectRows:
    """Write one JSON object a line."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, batch: "RecordBatch") -> None:
        """Write the rows of a batch."""
        columns = _columns(batch)
        for values in zip(*columns.values(), strict=True):
            row = json_value(dict(zip(columns, values, strict=True)))
            self._file.write(f"{json.dumps(row, ensure_ascii=False)}\n")

    def close(self) -> None:
        """Write what is buffered."""
        self._file.flush()


class ParquetRows:
    """Write Parquet, in row groups large enough to read well and small enough to hold."""

    def __init__(self, path: Path, schema: "Schema") -> None:
        from pyarrow.parquet import ParquetWriter

        self._writer = ParquetWriter(path, schema, compression="zstd")
        self._batches: list[RecordBatch] = []

    def write(self, batch: "RecordBatch") -> None:
        """Write the rows of a batch once a row group is full."""
        self._batches.append(batch)
        rows = sum(one.num_rows for one in self._batches)
        if rows >= ROW_GROUP_ROWS or sum(one.nbytes for one in self._batches) >= ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow

        if self._batches:
            self._writer.write_table(pyarrow.Table.from_batches(self._batches))
            self._batches = []


def _columns(batch: "RecordBatch") -> dict[str, list[Any]]:
    """Return the values of a batch by column, those that are stored as JSON as what they stand for."""
    import pyarrow

    columns = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            values = column.to_pylist()
        except (ValueError, OverflowError):  # a time beyond the years that Python knows
            values = column.cast(pyarrow.string()).to_pylist()
        columns[field.name] = load_json_column(values) if is_json_column(field) else values
    return columns
