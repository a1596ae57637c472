"""What changed between two data versions: texts added, dropped, relabelled, reworded or moved."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.records import SPLITS
from pipeline.io import files
from pipeline.io.versioning import data_branch

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A text of both versions can be of several kinds.
CONDITIONS = {
    "added": "old_id IS NULL",
    "dropped": "new_id IS NULL",
    "relabelled": "old_label <> new_label",
    "reworded": "old_hash <> new_hash",
    "moved": "old_split <> new_split",
}
EXAMPLES = 5


@dataclass(frozen=True)
class VersionDiff:
    """Count what changed from `old` to `new`, with the ids of a few texts of each kind; printed as JSON.

    `labels` counts the changes of label as `from -> to`, `splits` those of the split.
    """

    old: str
    new: str
    unchanged: int
    counts: dict[str, int]
    examples: dict[str, list[str]]
    labels: dict[str, int]
    splits: dict[str, int]


def diff_versions(root: Path, old: str, new: str) -> VersionDiff:
    """Compare two data versions text by text, recognized by their ids.

    Raises UsageError for an unknown version, Fault when one is no longer in DVC's cache.
    """
    with tempfile.TemporaryDirectory(prefix="tonewatch-diff-") as staging:
        folders = Path(staging) / "old", Path(staging) / "new"
        for folder, version in zip(folders, (old, new), strict=True):
            data_branch.export_folder(root, version, "data/splits", folder)
            files.verified_receipt(folder, made_by="split")
        return diff_folders(*folders, names=(old, new))


def diff_folders(old: Path, new: Path, *, names: tuple[str, str]) -> VersionDiff:
    """Compare two folders of splits; DuckDB streams them, and spills to disk what memory does not hold."""
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix="tonewatch-spill-") as spill,
        duckdb.connect(config={"temp_directory": spill}) as base,
    ):
        base.execute(f"CREATE TEMP TABLE pairs AS {_pairs()}", [*_tables(old), *_tables(new)])
        counts = {kind: _count(base, condition) for kind, condition in CONDITIONS.items()}
        changed = " OR ".join(CONDITIONS.values())
        return VersionDiff(
            *names,
            unchanged=_count(base, f"NOT coalesce({changed}, FALSE)"),
            counts=counts,
            examples={kind: _examples(base, condition) for kind, condition in CONDITIONS.items()},
            labels=_changes(base, "label"),
            splits=_changes(base, "split"),
        )


def _tables(folder: Path) -> list[str]:
    return [str(folder / f"{split}.parquet") for split in SPLITS]


def _pairs() -> str:
    """Return the SQL of all texts of both versions, side by side; the hash represents the text."""
    sides = [
        " UNION ALL ".join(
            f"SELECT id AS {side}_id, label AS {side}_label, hash(text) AS {side}_hash, "
            f"'{split}' AS {side}_split FROM read_parquet(?)"
            for split in SPLITS
        )
        for side in ("old", "new")
    ]
    return f"SELECT * FROM ({sides[0]}) FULL JOIN ({sides[1]}) ON old_id = new_id"


def _count(base: "DuckDBPyConnection", condition: str) -> int:
    row = base.execute(f"SELECT count(*) FROM pairs WHERE {condition}").fetchone()
    assert row is not None
    return int(row[0])


def _examples(base: "DuckDBPyConnection", condition: str) -> list[str]:
    rows = base.execute(
        f"SELECT coalesce(new_id, old_id) AS id FROM pairs WHERE {condition} ORDER BY id LIMIT {EXAMPLES}"
    )
    return [str(one) for (one,) in rows.fetchall()]


def _changes(base: "DuckDBPyConnection", field: str) -> dict[str, int]:
    rows = base.execute(
        f"SELECT old_{field}, new_{field}, count(*) AS number FROM pairs "
        f"WHERE old_{field} <> new_{field} GROUP BY ALL ORDER BY number DESC, 1, 2"
    )
    return {f"{before} -> {after}": int(number) for before, after, number in rows.fetchall()}
