"""Versions of the data and of the code: what is kept, what is gone back to, and by which name."""

from collections.abc import Mapping
from pathlib import Path

from pipeline import __version__
from pipeline.base import logs
from pipeline.base.config import NEWEST
from pipeline.base.errors import NothingToRollBack
from pipeline.base.records import SPLITS
from pipeline.io import files
from pipeline.io.locks import workspace_lock
from pipeline.io.params_file import load_params
from pipeline.io.versioning import data_branch, workspace_setup
from pipeline.io.versioning.data_branch import DataVersion, Manifest
from pipeline.io.versioning.git import Git

__all__ = [
    "DataVersion",
    "code_commit",
    "identity",
    "init_workspace",
    "keep_data_version",
    "list_versions",
    "rollback_data",
    "show_version",
    "checkout_version",
]


def init_workspace(folder: Path, preset: str) -> Path:
    """Make a fresh workspace."""
    return workspace_setup.init_workspace(folder, preset)


def keep_data_version(root: Path, reason: str) -> DataVersion:
    """Keep the split that lies in the work tree as a data version; an equal one is found, not made again."""
    workspace_setup.ensure_ready(root)
    receipt = files.verified_receipt(root / "data" / "splits", made_by="split")
    counts = receipt.counts
    manifest = Manifest(
        fingerprint=receipt.notes["fingerprint"],
        rows=sum(counts[side] for side in SPLITS),
        sides={side: counts[side] for side in SPLITS},
        labels=_over_sides(counts, "label"),
        languages=_over_sides(counts, "lang"),
        sources=_over_sides(counts, "source"),
    )
    version = data_branch.commit_version(root, manifest, reason=reason)
    logs.get("versions").info("data version", name=version.name, texts=version.rows)
    return version


def list_versions(root: Path) -> tuple[DataVersion, ...]:
    """Give every data version, the newest first."""
    workspace_setup.ensure_ready(root)
    return data_branch.list_versions(root)


def show_version(root: Path, name: str | None) -> DataVersion:
    """Give one data version, by default the newest.

    Raises NothingToRollBack when there is none yet, WrongUse for an unknown name.
    """
    known = list_versions(root)
    if name is not None:
        return data_branch.version_of(root, name)
    if not known:
        raise NothingToRollBack("There is no data version yet. Make one with `tonewatch run`.")
    return known[0]


def rollback_data(root: Path, name: str | None, reason: str) -> DataVersion:
    """Put a data version back into the work tree and stay there; by default the one before the present one.

    Raises NothingToRollBack when there is none before.
    """
    with workspace_lock(root / ".tonewatch"):
        known = list_versions(root)
        target = name or _before(root, known)
        if target is None:
            present = (
                f"{known[-1].name} is the first data version" if known else "There is no data version yet"
            )
            raise NothingToRollBack(
                f"{present}, so there is nothing to go back to. Look with `tonewatch data list`."
            )
        version = data_branch.restore(root, target)
    logs.get("versions").info("data rolled back", to=version.name, reason=reason)
    return version


def checkout_version(root: Path, name: str) -> DataVersion:
    """Make sure that the work tree holds the data of a version, as `data.version` in params.yaml asks."""
    workspace_setup.ensure_ready(root)
    version = data_branch.version_of(root, name)
    return version if data_branch.holds_version(root, version) else data_branch.restore(root, name)


def code_commit() -> str:
    """Say which code runs: the commit of its checkout, with `+` when files differ from it; else the installed version."""
    home = Path(__file__).parents[3]
    git = Git(home)
    top, head = git.ask("rev-parse", "--show-toplevel"), git.commit_of("HEAD")
    if head is None or top is None or Path(top).resolve() != home.resolve():
        return f"tonewatch {__version__}"
    changed = git.run("status", "--porcelain", "--", "pipeline", "flows")
    return head + ("+" if changed else "")


def _before(root: Path, known: tuple[DataVersion, ...]) -> str | None:
    """Name the version before the data in the work tree; data that are no version stand after the newest."""
    pinned = load_params(root / "params.yaml").data.version
    splits = root / "data" / "splits"
    fingerprint = (
        files.read_receipt(splits).notes["fingerprint"] if (splits / files.RECEIPT).is_file() else None
    )
    for version in known:
        if version.name == pinned and not data_branch.holds_version(root, version):
            # Pinned, but not taken out yet: a rollback was killed on its way there, and the same words finish it.
            return version.name
        if version.name == pinned or (pinned == NEWEST and version.fingerprint == fingerprint):
            return version.parent
    return known[0].name if known else None


def _over_sides(counts: Mapping[str, int], what: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for side in SPLITS:
        for key, number in counts.items():
            if key.startswith(f"{side}/{what}/"):
                name = key.removeprefix(f"{side}/{what}/")
                found[name] = found.get(name, 0) + number
    return dict(sorted(found.items()))
