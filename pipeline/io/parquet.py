"""Texts as Parquet, equal records as equal bytes."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.base.records import SplitName, TextRecord

COLUMNS = tuple(field.name for field in dataclasses.fields(TextRecord))
# A data version made before a column was thought of has none: its texts get what a record has by default.
DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(TextRecord)
    if field.default is not dataclasses.MISSING
}
BATCH_ROWS = 10_000


def write_texts(path: Path, records: Iterable[TextRecord]) -> int:
    """Write records to one Parquet file; give their number."""
    rows = [dataclasses.asdict(record) for record in records]
    write_rows(path, {name: [row[name] for row in rows] for name in COLUMNS})
    return len(rows)


def read_texts(path: Path) -> list[TextRecord]:
    """Read the records of one Parquet file, in their order."""
    return list(_records(read_rows(path)))


def write_rows(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write named columns of equal length to one Parquet file; a column without rows is one of strings."""
    import pyarrow
    import pyarrow.parquet

    arrays = {
        name: pyarrow.array(values, type=None if len(values) else pyarrow.string())
        for name, values in columns.items()
    }
    pyarrow.parquet.write_table(pyarrow.table(arrays), path, compression="zstd")


def read_rows(path: Path, *, among: tuple[str, Collection[Any]] | None = None) -> dict[str, list[Any]]:
    """Read every column of one Parquet file; only the rows in which a column holds one of some values, if they are named."""
    import pyarrow.parquet

    filters = None if among is None else [(among[0], "in", set(among[1]))]
    return pyarrow.parquet.read_table(path, filters=filters).to_pydict()  # type: ignore[no-any-return]


def stream_texts(path: Path) -> Iterator[TextRecord]:
    """Yield the records of one Parquet file, a batch in memory at a time."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=list(COLUMNS)):
            yield from _records(batch.to_pydict())


def split_fingerprint(rows: Iterable[tuple[SplitName, TextRecord]]) -> str:
    """Digest all content of a split, streamed, whatever the order of the rows.

    SHA-256 of each row and its side; their sum modulo 2**256 (where XOR would let two equal rows vanish) and their number, digested again.
    """
    total = count = 0
    for side, record in rows:
        # `raters` is younger than the first data versions: left out where empty, so that their content keeps its fingerprint.
        values = [getattr(record, name) for name in COLUMNS if name != "raters" or record.raters]
        row = json.dumps([side, *values], ensure_ascii=True).encode()
        total = (total + int.from_bytes(hashlib.sha256(row).digest(), "big")) % 2**256
        count += 1
    return hashlib.sha256(f"{count}:{total:064x}".encode()).hexdigest()


def _records(columns: dict[str, list[Any]]) -> Iterator[TextRecord]:
    filled = {name: [value] * len(columns["id"]) for name, value in DEFAULTS.items()} | columns
    for values in zip(*(filled[name] for name in COLUMNS), strict=True):
        yield TextRecord(*values)
