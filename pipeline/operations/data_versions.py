"""What a person asks of the data versions: list them, show one, roll the data back."""

from pathlib import Path

from pipeline.base import logs
from pipeline.base.config import NEWEST, Workspace
from pipeline.base.errors import NothingToRollBack
from pipeline.io import files
from pipeline.io.forgetting.record import read_record
from pipeline.io.locks import workspace_lock
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning import data_branch, version_diff
from pipeline.io.versioning.data_branch import DataVersion
from pipeline.io.versioning.data_versions import list_versions, show_version
from pipeline.io.versioning.version_diff import VersionDiff

__all__ = ["data_card", "diff_versions", "list_versions", "marked_versions", "rollback_data", "show_version"]


def data_card(workspace: Workspace, name: str | None) -> dict[str, object]:
    """Return a data version, by default the newest, those made from it, and the releases trained on it.

    Raises NothingToRollBack when there is none yet, UsageError for an unknown name.
    """
    version = show_version(workspace.root, name)
    releases = [release.record for release in Ledger(workspace.ledger).releases()]
    trained = [one["release"] for one in releases if one["data_version"] == version.name]
    forgotten = read_record(workspace.root)["versions"].get(version.name)
    children = [one.name for one in list_versions(workspace.root) if one.parent == version.name]
    return {
        **version.as_dict(),
        "children": children,
        "releases": trained,
        **({"forgotten": forgotten} if forgotten else {}),
    }


def marked_versions(root: Path) -> list[dict[str, object]]:
    """Return every data version, the newest first; `forgotten` says since when it is not whole."""
    marks = read_record(root)["versions"]
    return [
        {**version.as_dict(), **({"forgotten": marks[version.name]} if version.name in marks else {})}
        for version in list_versions(root)
    ]


def diff_versions(root: Path, old: str | None, new: str | None) -> VersionDiff:
    """Compare two data versions; by default the newest with the one before it.

    Raises NothingToRollBack where there is nothing to compare with, UsageError for an unknown name.
    """
    later = show_version(root, new)
    before = old or later.parent
    if before is None:
        raise NothingToRollBack(f"{later.name} is the first data version, so there is none to compare with.")
    return version_diff.diff_versions(root, before, later.name)


def rollback_data(root: Path, name: str | None, reason: str) -> DataVersion:
    """Put a data version back into the work tree and pin it in params.yaml; by default the previous one.

    Raises NothingToRollBack when there is no previous one, UsageError for an unknown name.
    """
    with workspace_lock(root / ".tonewatch"):
        versions = list_versions(root)
        target = name or _previous(root, versions)
        if target is None:
            present = "There is no data version yet"
            if versions:
                present = f"{versions[-1].name} is the first data version"
            raise NothingToRollBack(
                f"{present}, so there is nothing to roll back to. List them with `tonewatch data list`."
            )
        version = data_branch.restore(root, target)
    logs.get("versions").info("data.rolled_back", to=version.name, reason=reason)
    return version


def _previous(root: Path, versions: tuple[DataVersion, ...]) -> str | None:
    """Name the version before the data in the work tree; data that are no version come after the newest."""
    pinned = load_params(root / "params.yaml").data.version
    splits = root / "data" / "splits"
    fingerprint = None
    if (splits / files.RECEIPT).is_file():
        fingerprint = files.read_receipt(splits).notes["fingerprint"]
    for version in versions:
        if version.name == pinned and not data_branch.holds_version(root, version):
            # Pinned but not checked out: a rollback was killed here, and the same call finishes it.
            return version.name
        if version.name == pinned or (pinned == NEWEST and version.fingerprint == fingerprint):
            return version.parent
    return versions[0].name if versions else None
