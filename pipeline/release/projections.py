"""What follows the ledger on a machine: the local copy, MLflow's aliases, the data, params.yaml.

Each projection is inspected before it is changed. Data and params follow only a release that was made in this
workspace: another one on the same ledger has texts and parameters of its own.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.config import OPERATIONAL_SECTIONS, Workspace
from pipeline.base.config.parsing import keep_operational_sections, parse_params
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import ConfigError, Fault
from pipeline.io import files
from pipeline.io.forgetting.record import read_record
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.workspace_id import workspace_identity
from pipeline.release.judge import read_lock
from pipeline.release.register import register_again, registered_version


@dataclass(frozen=True)
class Step:
    """One change of a projection, and the sentence that describes it; without `act` it is left as it is."""

    sentence: str
    act: Callable[[], object] | None


@dataclass(frozen=True)
class ReconcileTarget:
    """What the projections must agree with.

    `moved` is whether the move is new to this machine, `params_due` whether params.yaml must still follow it.
    """

    champion: ReleaseRecord
    previous: ReleaseRecord | None
    moved: bool
    params_due: bool


def _local_copy(workspace: Workspace, target: ReconcileTarget) -> Step | None:
    if release_files.copy_is_intact(workspace, target.champion):
        return None
    return Step(
        f"The local copy of {target.champion['release']} is fetched from MLflow.",
        lambda: release_files.verified_copy(workspace, target.champion),
    )


def _aliases(workspace: Workspace, target: ReconcileTarget) -> Step | None:
    """Let the aliases of the workspace's own model name the releases that were made here."""
    registry = open_registry(workspace)
    wanted: dict[str, str] = {}
    gone: dict[str, ReleaseRecord] = {}
    for alias, release in (("champion", target.champion), ("previous", target.previous)):
        if release and _is_own(workspace, release):
            version = registered_version(workspace, release)
            if alias == "previous" and not (version or release_files.copy_is_intact(workspace, release)):
                continue  # lost everywhere; doctor says so
            wanted[alias] = version or f"{release['release']} registered again"
            gone |= {} if version else {alias: release}
    aliases = registry.aliases()
    if aliases == wanted:
        return None

    def act() -> None:
        versions = wanted | {alias: register_again(workspace, release) for alias, release in gone.items()}
        registry.project(versions.get("champion"), versions.get("previous"))

    return Step(f"The aliases in MLflow change from {_spelled(aliases)} to {_spelled(wanted)}.", act)


def _data(workspace: Workspace, target: ReconcileTarget) -> Step | None:
    lock = target.champion["lock"]
    if not lock or target.champion["data_version"] in read_record(workspace.root)["versions"]:
        # What was forgotten does not come back: the data in the work tree stay.
        return None
    from pipeline.io.versioning.data_branch import fetch_objects, holds_lock, missing_objects, restore_lock
    from pipeline.io.versioning.dvc_cache import DvcCache

    # Equal text is not enough: a process may die between writing the lock and restoring the folders.
    if lock == read_lock(workspace) and holds_lock(workspace.root, lock):
        return None
    if not target.moved and _holds_waiting_candidate(workspace):
        return None
    release, version = target.champion["release"], target.champion["data_version"]
    if not _is_own(workspace, target.champion):
        return _made_elsewhere(target) if target.moved else None
    if lock == read_lock(workspace) and DvcCache(workspace.root).can_refill():
        sentence = f"The DVC cache is refilled with the data of {release} ({version}) in the work tree."
        return Step(sentence, DvcCache(workspace.root).refill)
    if missing := missing_objects(workspace.root, lock):
        raise Fault(_missing_data_sentence(target.champion, missing))

    def act() -> None:
        if missing := fetch_objects(workspace.root, lock):
            raise Fault(_missing_data_sentence(target.champion, missing))
        restore_lock(workspace.root, lock)

    return Step(f"dvc.lock and the data become those of {release} ({version}).", act)


def _missing_data_sentence(champion: ReleaseRecord, missing: Sequence[Path]) -> str:
    release, version = champion["release"], champion["data_version"]
    return (
        f"The data of {release} ({version}) stay behind: {len(missing)} of their files are gone from the DVC "
        f"cache, as {missing[0]}, and no DVC remote provides them. The model of {release} needs none of "
        "them. Copy them back from a backup, or name a remote that has them "
        "(`dvc remote add --default NAME ADDRESS`), then type `tonewatch release reconcile`. "
        "Without them, `tonewatch run` goes on with the data in the work tree."
    )


def _made_elsewhere(target: ReconcileTarget) -> Step:
    champion = target.champion
    return Step(
        f"{champion['release']} was made in another workspace ({champion['host']}, {champion['workspace']}), "
        "so the data and params.yaml here stay as they are.",
        act=None,
    )


def _is_own(workspace: Workspace, release: ReleaseRecord) -> bool:
    return workspace_identity(workspace).made(release["workspace"])


def _holds_waiting_candidate(workspace: Workspace) -> bool:
    """Return whether the working tree holds a rejected or waiting candidate, where the next run starts."""
    ledger, lock = Ledger(workspace.ledger), read_lock(workspace)
    served = {move.target for move in ledger.moves()}
    return any(release.record["lock"] == lock for release in ledger.releases() if release.name not in served)


def _params(workspace: Workspace, target: ReconcileTarget) -> Step | None:
    # Only with a move: later edits of params.yaml belong to the next run.
    if not target.params_due or params_follow(workspace, target.champion):
        return None
    name = target.champion["release"]
    backup = _unused(workspace.home / "params" / f"before-{name}.yaml")

    def act() -> None:
        files.write_bytes(backup, workspace.params.read_bytes())
        text = keep_operational_sections(target.champion["params"], workspace.params.read_text("utf-8"))
        files.write_bytes(workspace.params, text.encode())

    sentence = f"params.yaml becomes that of {name}; a backup goes to {backup.relative_to(workspace.root)}."
    return Step(sentence, act)


def params_follow(workspace: Workspace, champion: ReleaseRecord) -> bool:
    """Return whether params.yaml needs no change to be that of a champion."""
    return not _is_own(workspace, champion) or _equal_params(workspace, champion)


def _unused(path: Path) -> Path:
    """Return a path that no earlier backup has, numbered from 2."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return next(one for one in itertools.chain((path,), numbered) if not one.exists())


def _equal_params(workspace: Workspace, champion: ReleaseRecord) -> bool:
    try:
        current, released = load_params(workspace.params), parse_params(champion["params"])
    except ConfigError:
        return False
    # The operational sections stay as they are, whichever release is the champion.
    excluded = set(OPERATIONAL_SECTIONS)
    return current.model_dump(exclude=excluded) == released.model_dump(exclude=excluded)


def _spelled(aliases: Mapping[str, str]) -> str:
    shown = {name: f"version {value}" if value.isdecimal() else value for name, value in aliases.items()}
    return ", ".join(f"{name} = {value}" for name, value in sorted(shown.items())) or "none"


# In this order: production comes first, and what is edited by hand last.
PROJECTIONS = {"copy": _local_copy, "aliases": _aliases, "data": _data, "params": _params}
