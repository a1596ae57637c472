"""How a table is written, as params.yaml says or as it was found out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.base.config.sources import AUTO, FileSource
from pipeline.base.records import Unreadable

Row = dict[str, str]
Rows = Iterator[Row | Unreadable]


@dataclass(frozen=True)
class Dialect:
    """Hold how delimited text is written; `header` names the columns, `has_header` says whether line 1 does.

    `quote` None means that quotes are characters like any other. `skip_rows` lines precede the table.
    """

    delimiter: str
    quote: str | None
    escape: str | None
    has_header: bool
    header: tuple[str, ...]
    skip_rows: int = 0


@dataclass(frozen=True)
class TableRequest:
    """Hold what is asked of a file: its place, what is known of its shape, and what must be found in it.

    `mapped` holds the field of each column that is mapped; empty means all columns. `kind` is None where it
    is to be found out.
    """

    path: Path
    where: str
    max_bytes: int
    kind: str | None = None
    mapped: dict[str, str] = field(default_factory=dict)
    delimiter: str = AUTO
    quote: str | None = AUTO
    escape: str | None = AUTO
    header: bool | tuple[str, ...] | Literal["auto"] = AUTO
    encoding: str = AUTO
    skip_rows: int | Literal["auto"] = AUTO
    sheet: str | None = None
    member: str | None = None
    labels_path: Path | None = None

    @classmethod
    def of(
        cls, source: FileSource, path: Path, where: str, *, max_bytes: int, labels_path: Path | None
    ) -> "TableRequest":
        """Return what a source of params.yaml asks of a file."""
        return cls(
            path=path,
            where=where,
            max_bytes=max_bytes,
            kind=source.kind,
            mapped=source.columns.mapped,
            delimiter=source.delimiter,
            quote=source.quote,
            escape=source.escape,
            header=source.header,
            encoding=source.encoding,
            skip_rows=source.skip_rows,
            sheet=source.sheet,
            member=source.member,
            labels_path=labels_path,
        )


@dataclass(frozen=True)
class Shape:
    """Hold how a table was read; `notes` are sentences for a person.

    `columns` are those of the file in order; an empty name is that of a column without one. `sniffed` names
    what was found out rather than written in params.yaml.
    """

    kind: str
    columns: tuple[str, ...]
    packing: str = ""
    member: str = ""
    encoding: str = ""
    dialect: Dialect | None = None
    sheet: str = ""
    sniffed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenTable:
    """Hold a table whose shape is known, and its rows, which can be read once."""

    shape: Shape
    rows: Rows
