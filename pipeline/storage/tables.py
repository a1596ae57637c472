"""Texts as Parquet, equal records as equal bytes."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.schema import Record

COLUMNS = tuple(field.name for field in dataclasses.fields(Record))


def write_texts(path: Path, records: Iterable[Record]) -> int:
    """Write records to one Parquet file; give their number."""
    rows = [dataclasses.asdict(record) for record in records]
    write_rows(path, {name: [row[name] for row in rows] for name in COLUMNS})
    return len(rows)


def read_texts(path: Path) -> list[Record]:
    """Read the records of one Parquet file, in their order."""
    columns = read_rows(path)
    return [Record(*values) for values in zip(*(columns[name] for name in COLUMNS), strict=True)]


def write_rows(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write named columns of equal length to one Parquet file; a column without rows is one of strings."""
    import pyarrow
    import pyarrow.parquet

    arrays = {name: pyarrow.array(values, type=None if len(values) else pyarrow.string()) for name, values in columns.items()}
    pyarrow.parquet.write_table(pyarrow.table(arrays), path, compression="zstd")


def read_rows(path: Path) -> dict[str, list[Any]]:
    """Read every column of one Parquet file."""
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pydict()  # type: ignore[no-any-return]
