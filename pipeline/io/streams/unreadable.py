"""Rows that could not be read, as `collect` keeps them beside the texts."""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

from pipeline.base.records import Unreadable
from pipeline.io import parquet

UNREADABLE = "unreadable.parquet"
PLACES = tuple(one.name for one in dataclasses.fields(Unreadable))


def write_unreadable(path: Path, rows: Sequence[Unreadable]) -> None:
    """Write the rows that could not be read."""
    parquet.write_rows(path, {name: [getattr(row, name) for row in rows] for name in PLACES})


def first_unreadable(path: Path, count: int) -> list[Unreadable]:
    """Read the first rows that could not be read."""
    rows = parquet.stream_rows(path, *PLACES)
    return [Unreadable(*values) for values in itertools.islice(rows, count)]
