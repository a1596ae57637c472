"""Compare cleaned texts with those of the data version before; DuckDB streams both, and spills to disk."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.data_account import DUPLICATE
from pipeline.base.documents.data_change import BeforeAfter, DataChange
from pipeline.base.records import SPLITS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "400MB"  # beyond it, DuckDB spills
TEXTS, QUARANTINE = "texts.parquet", "quarantine.parquet"
# A text of both versions can be of several kinds; `renamed` ones are new ids of texts that were there.
CONDITIONS = {
    "added": "old_id IS NULL",
    "dropped": "new_id IS NULL",
    "renamed": "old_id IS NULL AND new_hash IN (SELECT old_hash FROM pairs WHERE new_id IS NULL)",
    "relabelled": "old_label <> new_label",
    "reworded": "old_hash <> new_hash",
    "moved": "old_split <> new_split",
}


def measure_change(name: str, old: Path, new: Path) -> DataChange:
    """Count what changed from the texts of a version in `old` to the cleaned ones in `new`."""
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix="tonewatch-spill-") as spill,
        duckdb.connect(config={"temp_directory": spill, "memory_limit": MEMORY}) as base,
    ):
        for side, folder in (("old", old), ("new", new)):
            _make_view(base, side, folder)
        base.execute("CREATE TEMP TABLE pairs AS SELECT * FROM old FULL JOIN new ON old_id = new_id")
        sources = _by(base, "source")
        copies = _copies(base, old, new)
        return DataChange(
            old=name,
            rows=BeforeAfter(_count(base, "old_id IS NOT NULL"), _count(base, "new_id IS NOT NULL")),
            both=_count(base, "old_id = new_id"),
            counts={kind: _count(base, condition) for kind, condition in CONDITIONS.items()},
            examples={kind: _example(base, condition) for kind, condition in CONDITIONS.items()},
            labels=_by(base, "label"),
            languages=_by(base, "lang"),
            sources=sources,
            read=_summed(sources, copies) if copies else {},
            duplicates=copies,
            length_distance=_length_distance(base),
        )


def _make_view(base: "DuckDBPyConnection", side: str, folder: Path) -> None:
    """Make the table of one side; the hash represents the text."""
    names = (TEXTS,) if (folder / TEXTS).is_file() else (*(f"{one}.parquet" for one in SPLITS),)
    base.execute(
        f"CREATE TEMP TABLE {side} AS SELECT id AS {side}_id, label AS {side}_label, lang AS {side}_lang, "
        f"source AS {side}_source, split AS {side}_split, hash(text) AS {side}_hash, "
        f"length(text) AS {side}_length FROM read_parquet(?)",
        [[str(folder / name) for name in names]],
    )


def _count(base: "DuckDBPyConnection", condition: str) -> int:
    row = base.execute(f"SELECT count(*) FROM pairs WHERE {condition}").fetchone()
    assert row is not None
    return int(row[0])


def _example(base: "DuckDBPyConnection", condition: str) -> str:
    row = base.execute(f"SELECT min(coalesce(new_id, old_id)) FROM pairs WHERE {condition}").fetchone()
    return str(row[0]) if row and row[0] is not None else ""


def _by(base: "DuckDBPyConnection", field: str) -> dict[str, BeforeAfter]:
    rows = base.execute(
        f"SELECT coalesce(value, '') AS value, sum(before), sum(after) FROM ("
        f"SELECT old_{field} AS value, 1 AS before, 0 AS after FROM old UNION ALL "
        f"SELECT new_{field}, 0, 1 FROM new) GROUP BY ALL ORDER BY value"
    )
    return {str(value): BeforeAfter(int(old), int(new)) for value, old, new in rows.fetchall()}


def _copies(base: "DuckDBPyConnection", old: Path, new: Path) -> dict[str, BeforeAfter]:
    """Count the duplicates of each source on both sides; none where one side does not know them."""
    if not all((folder / QUARANTINE).is_file() for folder in (old, new)):
        return {}
    counts: dict[str, list[int]] = {}
    for side, folder in enumerate((old, new)):
        rows = base.execute(
            "SELECT source, count(*) FROM read_parquet(?) WHERE reason = ? GROUP BY ALL ORDER BY source",
            [str(folder / QUARANTINE), DUPLICATE],
        )
        for source, number in rows.fetchall():
            counts.setdefault(str(source), [0, 0])[side] = int(number)
    return {source: BeforeAfter(*pair) for source, pair in counts.items()}


def _summed(sources: dict[str, BeforeAfter], copies: dict[str, BeforeAfter]) -> dict[str, BeforeAfter]:
    none = BeforeAfter(0, 0)
    return {
        name: BeforeAfter(
            sources.get(name, none).old + copies[name].old, sources.get(name, none).new + copies[name].new
        )
        for name in copies
    }


def _length_distance(base: "DuckDBPyConnection") -> float:
    """Return the Kolmogorov-Smirnov distance of the lengths: from their counts, so that none is a list."""
    row = base.execute(
        "WITH counts AS (SELECT length, sum(before) AS before, sum(after) AS after FROM ("
        "SELECT old_length AS length, 1 AS before, 0 AS after FROM old UNION ALL "
        "SELECT new_length, 0, 1 FROM new) GROUP BY length), "
        "steps AS (SELECT sum(before) OVER (ORDER BY length) / greatest(sum(before) OVER (), 1) AS one, "
        "sum(after) OVER (ORDER BY length) / greatest(sum(after) OVER (), 1) AS other FROM counts) "
        "SELECT max(abs(one - other)) FROM steps"
    ).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0
