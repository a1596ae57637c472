"""Parquet files in batches: of a file of any length a few row groups are in memory."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.base.records import TextRecord
from pipeline.io import parquet

if TYPE_CHECKING:
    import pyarrow

# Rows of one row group: a shorter table has the bytes that `parquet.write_rows` writes.
ROW_GROUP = 1 << 16
ROWS_AT_ONCE = 4096


class TableWriter:
    """Write rows to one Parquet file; equal rows are equal bytes, in whatever batches they come.

    The types of the columns are those of the first rows; columns without rows are of strings.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path, self._columns = path, columns
        self._pending: list[pyarrow.RecordBatch] = []
        self._waiting = 0
        self._writer: Any = None
        self.rows = 0

    def __enter__(self) -> Self:
        """Return the writer; the file is whole after the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left, and close the file."""
        if kind is None:
            self._flush(self._waiting)
            if self._writer is None:
                parquet.write_rows(self._path, {name: [] for name in self._columns})
        if self._writer is not None:
            self._writer.close()

    def add(self, batch: "pyarrow.RecordBatch") -> None:
        """Add rows; the columns of the batch are those of the writer."""
        if batch.num_rows:
            self._pending.append(batch)
            self._waiting += batch.num_rows
            self.rows += batch.num_rows
        while self._waiting >= ROW_GROUP:
            self._flush(ROW_GROUP)

    def add_columns(self, columns: Mapping[str, Sequence[object]]) -> None:
        """Add rows, given by columns of Python values."""
        import pyarrow

        arrays = [pyarrow.array(columns[name]) for name in self._columns]
        if len(arrays[0]):
            self.add(pyarrow.RecordBatch.from_arrays(arrays, names=list(self._columns)))

    def _flush(self, rows: int) -> None:
        import pyarrow
        import pyarrow.parquet

        if not rows:
            return
        table = pyarrow.Table.from_batches(self._pending)
        group, rest = table.slice(0, rows).combine_chunks(), table.slice(rows)
        self._pending, self._waiting = rest.to_batches(), rest.num_rows
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self._path, group.schema, compression="zstd")
        self._writer.write_table(group, row_group_size=rows)


def write_records(writer: TableWriter, records: Sequence[TextRecord]) -> None:
    """Add records to a table of texts."""
    writer.add_columns({name: [getattr(record, name) for record in records] for name in parquet.COLUMNS})


def read_batches(
    path: Path, rows: int, columns: Sequence[str] = parquet.COLUMNS
) -> "Iterator[pyarrow.RecordBatch]":
    """Yield batches of so many rows; a column that an older file lacks gets the default of the record."""
    import pyarrow
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as table:
        present = [name for name in columns if name in table.schema_arrow.names]
        for batch in table.iter_batches(batch_size=rows, columns=present):
            arrays = [
                batch[name]
                if name in present
                else pyarrow.array([parquet.DEFAULTS[name]] * batch.num_rows, pyarrow.string())
                for name in columns
            ]
            yield pyarrow.RecordBatch.from_arrays(arrays, names=list(columns))


def records_of(batch: "pyarrow.RecordBatch") -> list[TextRecord]:
    """Return the records of a batch."""
    columns = [batch[name].to_pylist() for name in parquet.COLUMNS]
    return [TextRecord(*values) for values in zip(*columns, strict=True)]


def rows_where(batch: "pyarrow.RecordBatch", mask: NDArray[np.bool_]) -> "pyarrow.RecordBatch":
    """Return the rows of a batch for which the mask is true."""
    import pyarrow

    return batch.filter(pyarrow.array(mask))


def with_values(batch: "pyarrow.RecordBatch", **columns: list[str]) -> "pyarrow.RecordBatch":
    """Return a batch with other values in some columns, or with columns behind its own."""
    import pyarrow

    arrays = {name: batch[name] for name in batch.schema.names}
    arrays |= {name: pyarrow.array(values, pyarrow.string()) for name, values in columns.items()}
    return pyarrow.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


class RecordTable(Collection[TextRecord]):
    """Pass over the records of a Parquet file, as often as one likes; a batch of them is in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __len__(self) -> int:
        """Return the number of records."""
        import pyarrow.parquet

        return int(pyarrow.parquet.read_metadata(self._path).num_rows)

    def __iter__(self) -> Iterator[TextRecord]:
        """Yield the records in their order."""
        for batch in read_batches(self._path, ROWS_AT_ONCE):
            yield from records_of(batch)

    def rows(self, wanted: Sequence[int]) -> list[TextRecord]:
        """Return the records of these rows, given in ascending order."""
        found: list[TextRecord] = []
        start, rows = 0, np.asarray(wanted, np.int64)
        for batch in read_batches(self._path, ROWS_AT_ONCE):
            mask = np.zeros(batch.num_rows, dtype=bool)
            low, high = np.searchsorted(rows, (start, start + batch.num_rows)).tolist()
            if low < high:
                mask[rows[low:high] - start] = True
                found += records_of(rows_where(batch, mask))
            start += batch.num_rows
        return found

    def __contains__(self, record: object) -> bool:
        """Return whether a record is in the table."""
        return any(one == record for one in self)


class RejectedTable:
    """Pass over the records that are set aside, each with its reason."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[tuple[TextRecord, str]]:
        """Yield the records in their order."""
        for batch in read_batches(self._path, ROWS_AT_ONCE, (*parquet.COLUMNS, "reason")):
            yield from zip(records_of(batch), batch["reason"].to_pylist(), strict=True)


def replace_values(path: Path, column: str, values: Iterator[tuple[int, str]], rows: int) -> None:
    """Write a table of texts again with other values in a column, given by their rows in ascending order."""
    before = path.with_name(f"{path.name}.before")
    path.rename(before)
    row, value = next(values, (-1, ""))
    with TableWriter(path, parquet.COLUMNS) as writer:
        start = 0
        for batch in read_batches(before, rows):
            columns = batch.to_pydict()
            while start <= row < start + batch.num_rows:
                columns[column][row - start] = value
                row, value = next(values, (-1, ""))
            writer.add_columns(columns)
            start += batch.num_rows
    before.unlink()
