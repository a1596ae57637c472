"""The data versions of a workspace: keep, list, show, check out, read."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pipeline.base import logs
from pipeline.base.errors import NothingToRollBack
from pipeline.base.records import SPLITS, SplitName, TextRecord
from pipeline.io import files, parquet
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.data_branch import DataVersion, Manifest
from pipeline.io.versioning.git import ensure_git_and_dvc
from pipeline.io.versioning.text_search import table_holds_text

log = logs.get("versions")


def keep_data_version(root: Path, reason: str) -> DataVersion:
    """Commit the split in the work tree as a data version; equal content is an existing version."""
    ensure_git_and_dvc(root)
    receipt = files.verified_receipt(root / "data" / "splits", made_by="split")
    counts = receipt.counts
    manifest = Manifest(
        fingerprint=receipt.notes["fingerprint"],
        rows=sum(counts[side] for side in SPLITS),
        sides={side: counts[side] for side in SPLITS},
        labels=_total_over_splits(counts, "label"),
        languages=_total_over_splits(counts, "lang"),
        sources=_total_over_splits(counts, "source"),
    )
    version = data_branch.commit_version(root, manifest, reason=reason)
    log.info("data_version.committed", name=version.name, texts=version.rows)
    return version


def list_versions(root: Path) -> tuple[DataVersion, ...]:
    """Return every data version, the newest first."""
    ensure_git_and_dvc(root)
    return data_branch.list_versions(root)


def show_version(root: Path, name: str | None) -> DataVersion:
    """Return one data version, by default the newest.

    Raises NothingToRollBack when there is none yet, UsageError for an unknown name.
    """
    versions = list_versions(root)
    if name is not None:
        return data_branch.version_of(root, name)
    if not versions:
        raise NothingToRollBack("There is no data version yet. Make one with `tonewatch run`.")
    return versions[0]


def checkout_version(root: Path, name: str) -> DataVersion:
    """Put the data of a version into the work tree, unless they are there already."""
    ensure_git_and_dvc(root)
    version = data_branch.version_of(root, name)
    return version if data_branch.holds_version(root, version) else data_branch.restore(root, name)


def read_split(root: Path, version: str, *splits: SplitName) -> list[TextRecord]:
    """Read these splits of a data version, whatever the work tree holds.

    Raises Fault when they are no longer in DVC's cache.
    """
    with tempfile.TemporaryDirectory(prefix="tonewatch-split-") as staging:
        folder = Path(staging) / "splits"
        data_branch.export_folder(root, version, "data/splits", folder)
        files.verified_receipt(folder, made_by="split")
        return [record for split in splits for record in parquet.read_texts(folder / f"{split}.parquet")]


def stream_split(
    root: Path, version: str, *splits: SplitName, columns: tuple[str, str] = ("text", "group")
) -> Iterator[tuple[str, str]]:
    """Yield two columns of each row of these splits of a data version; one batch is in memory.

    Raises Fault when they are no longer in DVC's cache.
    """
    with tempfile.TemporaryDirectory(prefix="tonewatch-split-") as staging:
        folder = Path(staging) / "splits"
        data_branch.export_folder(root, version, "data/splits", folder)
        files.verified_receipt(folder, made_by="split")
        for split in splits:
            yield from parquet.stream_rows(folder / f"{split}.parquet", *columns)


def holds_text(root: Path, version: str, digests: Collection[str]) -> bool:
    """Return whether a data version holds a text with one of these SHA-256, before or after cleaning.

    The texts that are in none of its splits count as well.

    Raises Fault when it is no longer in DVC's cache.
    """
    with tempfile.TemporaryDirectory(prefix="tonewatch-split-") as staging:
        folder = Path(staging) / "splits"
        data_branch.export_folder(root, version, "data/splits", folder)
        return any(table_holds_text(table, digests) for table in sorted(folder.glob("*.parquet")))


def _total_over_splits(counts: Mapping[str, int], field: str) -> dict[str, int]:
    """Add up the counts `<split>/<field>/<value>` of a receipt over the splits, by value."""
    totals: dict[str, int] = {}
    for split in SPLITS:
        prefix = f"{split}/{field}/"
        for key, number in counts.items():
            if key.startswith(prefix):
                value = key.removeprefix(prefix)
                totals[value] = totals.get(value, 0) + number
    return dict(sorted(totals.items()))
