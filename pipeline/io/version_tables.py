"""Counts and single texts of the tables of a data version; DuckDB reads them, so that none is a list."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.data_account import DUPLICATE
from pipeline.base.records import SPLITS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DAY = 10  # characters of a time that name its day


def count_sources(splits: Path) -> dict[str, dict[str, int]]:
    """Count the texts of each source by split."""
    counts: dict[str, dict[str, int]] = {}
    with _opened() as base:
        for split in SPLITS:
            rows = base.execute(
                "SELECT source, count(*) FROM read_parquet(?) GROUP BY ALL ORDER BY source",
                [str(splits / f"{split}.parquet")],
            )
            for source, number in rows.fetchall():
                counts.setdefault(str(source), {})[split] = int(number)
    return dict(sorted(counts.items()))


def count_days(splits: Path) -> dict[str, Mapping[str, int]]:
    """Count the texts of each label by day, the days in order; `` are those without a time."""
    counts: dict[str, dict[str, int]] = {}
    with _opened() as base:
        rows = base.execute(
            f"SELECT substr(time, 1, {DAY}) AS day, label, count(*) FROM read_parquet(?) GROUP BY ALL "
            "ORDER BY day, label",
            [[str(splits / f"{split}.parquet") for split in SPLITS]],
        )
        for day, label, number in rows.fetchall():
            counts.setdefault(str(day), {})[str(label)] = int(number)
    return dict(counts)


def count_duplicates(quarantine: Path) -> dict[str, int]:
    """Count the duplicates of each source that were set aside."""
    with _opened() as base:
        rows = base.execute(
            "SELECT source, count(*) FROM read_parquet(?) WHERE reason = ? GROUP BY ALL ORDER BY source",
            [str(quarantine), DUPLICATE],
        )
        return {str(source): int(number) for source, number in rows.fetchall()}


def texts_by_id(table: Path, ids: Collection[str]) -> dict[str, str]:
    """Return the texts with these ids."""
    if not ids:
        return {}
    with _opened() as base:
        rows = base.execute(
            "SELECT id, text FROM read_parquet(?) WHERE id IN (SELECT unnest(?))", [str(table), list(ids)]
        )
        return {str(name): str(text) for name, text in rows.fetchall()}


def _opened() -> "DuckDBPyConnection":
    import duckdb

    return duckdb.connect()
