"""Texts as Parquet files: equal records are equal bytes; a fingerprint covers all content of a split."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.base.records import SplitName, TextRecord

COLUMNS = tuple(field.name for field in dataclasses.fields(TextRecord))
NAMED_COLUMNS = ("topic", "more_labels")
ADDED_COLUMNS = frozenset(("raters", *NAMED_COLUMNS))
# An older data version lacks newer columns; its texts get the defaults of the record.
DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(TextRecord)
    if field.default is not dataclasses.MISSING
}


def write_texts(path: Path, records: Iterable[TextRecord]) -> int:
    """Write records to one Parquet file, and return their number."""
    rows = [dataclasses.asdict(record) for record in records]
    write_rows(path, {name: [row[name] for row in rows] for name in COLUMNS})
    return len(rows)


def write_rejected(path: Path, rejected: Sequence[tuple[TextRecord, str]]) -> None:
    """Write records to one Parquet file, each with the reason why it is not used."""
    columns = {name: [getattr(record, name) for record, _ in rejected] for name in COLUMNS}
    write_rows(path, {**columns, "reason": [reason for _, reason in rejected]})


def read_rejected(path: Path) -> list[tuple[TextRecord, str]]:
    """Read the records that `write_rejected` wrote, each with its reason."""
    columns = read_rows(path)
    return list(zip(_records(columns), columns["reason"], strict=True))


def read_texts(path: Path) -> list[TextRecord]:
    """Read the records of one Parquet file, in their order."""
    return list(_records(read_rows(path)))


def stream_rows(path: Path, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Yield the values of some columns row by row; one batch of them is in memory."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as table:
        for batch in table.iter_batches(columns=list(columns)):
            yield from zip(*(batch[name].to_pylist() for name in columns), strict=True)


@dataclasses.dataclass(frozen=True)
class TextColumn:
    """The texts of one Parquet file, read anew in each pass with one batch in memory.

    With `answers` the text that answers each of them follows it.
    """

    path: Path
    answers: bool = False

    def __iter__(self) -> Iterator[str]:
        names = ("text", "label") if self.answers else ("text",)
        return (text for row in stream_rows(self.path, *names) for text in row if text)

    def __len__(self) -> int:
        import pyarrow.parquet

        return int(pyarrow.parquet.read_metadata(self.path).num_rows)


def column_names(path: Path) -> list[str]:
    """Return the names of the columns of one Parquet file."""
    import pyarrow.parquet

    return list(pyarrow.parquet.read_schema(path).names)


def write_rows(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """Write named columns of equal length to one Parquet file; a column without rows is of strings."""
    import pyarrow
    import pyarrow.parquet

    arrays = {
        name: pyarrow.array(values, type=None if len(values) else pyarrow.string())
        for name, values in columns.items()
    }
    pyarrow.parquet.write_table(pyarrow.table(arrays), path, compression="zstd")


def read_rows(path: Path) -> dict[str, list[Any]]:
    """Read every column of one Parquet file."""
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pydict()  # type: ignore[no-any-return]


def split_fingerprint(rows: Iterable[tuple[SplitName, TextRecord]]) -> str:
    """Return a digest of all rows of the splits, whatever their order.

    It is the SHA-256 of the number of rows and of the sum modulo 2**256 of the SHA-256 of each row with its
    split; with XOR instead of the sum two equal rows would cancel out.
    """
    total = count = 0
    for split, record in rows:
        # Earlier data versions lack these: left out where empty, so that their fingerprints stay.
        values = [getattr(record, name) for name in COLUMNS if name not in ADDED_COLUMNS]
        values += [record.raters] if record.raters else []
        added = {name: getattr(record, name) for name in NAMED_COLUMNS if getattr(record, name)}
        values += [added] if added else []
        row = json.dumps([split, *values], ensure_ascii=True).encode()
        total = (total + int.from_bytes(hashlib.sha256(row).digest(), "big")) % 2**256
        count += 1
    return hashlib.sha256(f"{count}:{total:064x}".encode()).hexdigest()


def _records(columns: dict[str, list[Any]]) -> Iterator[TextRecord]:
    filled = {name: [value] * len(columns["id"]) for name, value in DEFAULTS.items()} | columns
    for values in zip(*(filled[name] for name in COLUMNS), strict=True):
        yield TextRecord(*values)
