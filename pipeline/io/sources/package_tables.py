"""Rows of delimited text inside a pinned file of the package index: its bytes are known, so no row fails."""

import contextlib
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TextIO

from pipeline.base.config import PackageSource
from pipeline.base.errors import DataRejected
from pipeline.io.sources import packages

Row = dict[str, str]


def read_package(source: PackageSource, archive: Path, max_bytes: int) -> tuple[Iterator[Row], str]:
    """Return the rows of a source of kind package, joined to those of its second table, and their place.

    Raises DataRejected for a member that is not as params.yaml says.
    """

    def table(members: Sequence[str], header: Sequence[str]) -> tuple[Iterator[Row], str]:
        where = f"source {source.name} ({members[-1]})"
        content = packages.read_nested_member(archive, members, max_bytes=max_bytes)
        text = _decode(content, where)
        return _rows(text, source.delimiter, header, where=where, max_bytes=max_bytes), where

    rows, where = table(source.members, source.header)
    if source.constants:
        rows = ({**row, **source.constants} for row in rows)
    if source.join is None:
        return rows, where
    return _join_rows(rows, *table(source.join.members, source.join.header), source.columns.id or ""), where


def _decode(content: bytes, where: str) -> TextIO:
    """Return UTF-8 bytes as a text file; raise DataRejected for other bytes and for none."""
    if not content.strip():
        raise DataRejected(f"{where} is empty.")
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataRejected(f"{where} is not UTF-8 text (byte {error.start:,}). Save it as UTF-8.") from error
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")


def _rows(
    file: TextIO, delimiter: str, header: Sequence[str], *, where: str, max_bytes: int
) -> Iterator[Row]:
    """Yield the rows of delimited text without a header line; `header` names its columns."""
    # In tab-separated text a quote is part of the text; in comma-separated text it encloses commas.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    with _long_fields(max_bytes):
        reader = csv.reader(file, delimiter=delimiter, quoting=quoting)
        try:
            for row in reader:
                if row and len(row) != len(header):
                    raise DataRejected(
                        f"{where}, line {reader.line_num}: {len(row)} columns, expected {len(header)}. "
                        "Correct that line."
                    )
                if row:
                    yield dict(zip(header, row, strict=True))
        except csv.Error as error:
            raise DataRejected(
                f"{where}, line {reader.line_num} cannot be read as a table ({error})."
            ) from error


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


@contextlib.contextmanager
def _long_fields(max_bytes: int) -> Iterator[None]:
    """Accept fields as long as a file may be: a giant text is quarantined by `clean` and stops no reading."""
    before = csv.field_size_limit(max_bytes)
    try:
        yield
    finally:
        csv.field_size_limit(before)
