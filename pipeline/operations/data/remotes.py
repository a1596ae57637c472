"""Data versions in DVC remotes: push them, verify every copy, and say what a remote lacks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from pipeline.base import logs, times
from pipeline.base.config import Workspace
from pipeline.base.errors import DigestMismatch, Fault, TonewatchError
from pipeline.io.forgetting.record import read_record
from pipeline.io.locks import workspace_lock
from pipeline.io.remotes import transfer
from pipeline.io.remotes.pending import clear_pending, keep_pending, read_pending
from pipeline.io.remotes.settings import (
    add_remote,
    default_remote,
    remote_names,
    unverified_remotes,
)
from pipeline.io.remotes.store import RemoteStore, State
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.data_branch import DataVersion
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.operations.forgetting.records import finish_forgetting

SHOWN = 5
log = logs.get("versions")


@dataclass(frozen=True)
class RemoteReport:
    """Say what was read and repaired; `read` counts objects by place, the others hold sentences."""

    versions: tuple[str, ...]
    read: dict[str, int]
    repaired: tuple[str, ...]
    unreachable: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Say it for a person."""
        read = ", ".join(f"{number:,} in {place}" for place, number in self.read.items()) or "none"
        lines = [f"Read the objects of {', '.join(self.versions) or 'no data version'}: {read}."]
        lines += [f"Repaired: {_listed(self.repaired)}."] if self.repaired else ["All are as recorded."]
        return [*lines, *self.unreachable]


def push_version(root: Path, *, every: bool = False) -> bool:
    """Push the newest data version to the default remote, or `every` one; return whether it has them.

    After a push that failed every version is pushed. A failure is a warning: it is noted, named by `doctor`,
    and tried again by the next run.
    """
    name = default_remote(root)
    if not name:
        return False
    versions = whole_versions(root)
    chosen = versions if every or name in read_pending(root) else versions[:1]
    try:
        with DvcCache(root).opened() as repo:
            written = transfer.push(repo, digests_of(root, chosen), name)
    except TonewatchError as error:
        keep_pending(root, name, str(error), time=times.format_seconds(datetime.now(UTC)))
        log.warning("data_version.not_pushed", remote=name, reason=str(error))
        return False
    clear_pending(root, name)
    if written:
        log.info("data_version.pushed", remote=name, objects=written)
    return True


def push_pending(root: Path) -> None:
    """Try again what could not be pushed."""
    if default_remote(root) in read_pending(root):
        push_version(root)


def verify_data(workspace: Workspace) -> RemoteReport:
    """Read every object of every whole data version, in the cache and in each remote, and repair what can be.

    Raises DigestMismatch where no good copy is left, Unreachable where nothing but a remote failed.
    """
    root = workspace.root
    with workspace_lock(workspace.home):
        finish_forgetting(workspace)
        versions = whole_versions(root)
        with DvcCache(root).opened() as repo:
            found = transfer.verify(repo, root, digests_of(root, versions))
        if found.unreachable:
            raise Fault(" ".join([*found.unreachable, *_repaired(found)]))
        if found.lost:
            raise DigestMismatch(
                f"No good copy is left of {_listed(found.lost)}. What was changed is set aside. "
                "`tonewatch run` makes the data of the newest version anew; a backup of .dvc/cache or of a "
                "remote brings back the others."
            )
        if name := default_remote(root):
            clear_pending(root, name)
    return RemoteReport(tuple(one.name for one in versions), found.read, tuple(found.repaired))


def use_remote(workspace: Workspace, address: str, *, name: str, endpoint: str | None) -> tuple[str, ...]:
    """Make an address the default DVC remote, verified at every read, and push every data version there.

    Raises UsageError for what can be no address, Unreachable where it does not answer: nothing is lost, and
    the next run pushes again.
    """
    root = workspace.root
    with workspace_lock(workspace.home):
        with DvcCache(root).opened() as repo:
            add_remote(repo, name, address, endpoint)
        if not push_version(root, every=True):
            raise Fault(f"The remote {name} is set, and not used yet. {read_pending(root)[name]['reason']}")
        return tuple(version.name for version in whole_versions(root))


def remote_faults(root: Path) -> list[str]:
    """Return a sentence, with what to type, for each fault of the remotes; changes nothing."""
    faults = [
        f"The remote {name} lacks data versions since {one['since']}: {one['reason']} "
        "`tonewatch data verify` pushes them."
        for name, one in read_pending(root).items()
    ]
    faults += [
        f"Plain `dvc pull` trusts the remote {name}. Type `dvc remote modify {name} verify true`."
        for name in unverified_remotes(root)
    ]
    newest = whole_versions(root)[:1]
    for name in remote_names(root):
        try:
            with DvcCache(root).opened() as repo:
                store = RemoteStore(repo, name)
                objects = transfer.with_listed(repo.cache.local, digests_of(root, newest))
                states = {one: store.state(one) for one in objects}
        except TonewatchError as error:
            faults.append(str(error))
            continue
        faults += _object_faults(name, states, name == default_remote(root))
    return faults


def _object_faults(name: str, states: dict[str, State], is_default: bool) -> list[str]:
    changed = [one for one, state in states.items() if state == "changed"]
    missing = [one for one, state in states.items() if state == "missing"]
    faults = []
    if changed:
        faults.append(
            f"{len(changed)} objects of the newest data version are changed in the remote {name}, as "
            f"{changed[0]}. Type `tonewatch data verify`."
        )
    if missing and is_default:
        faults.append(
            f"{len(missing)} objects of the newest data version are missing from the remote {name}, as "
            f"{missing[0]}. Type `tonewatch data verify`."
        )
    return faults


def whole_versions(root: Path) -> tuple[DataVersion, ...]:
    """Return the data versions of which nothing was forgotten, the newest first."""
    forgotten = read_record(root)["versions"]
    return tuple(one for one in data_branch.list_versions(root) if one.name not in forgotten)


def digests_of(root: Path, versions: Iterable[DataVersion]) -> list[str]:
    """Return the digests of the folders of these versions, each once."""
    digests: dict[str, None] = {}
    for version in versions:
        for stage in yaml.safe_load(data_branch.lock_of(root, version))["stages"].values():
            digests |= dict.fromkeys(out["md5"] for out in stage.get("outs", ()) if "md5" in out)
    return list(digests)


def _repaired(found: transfer.Verification) -> list[str]:
    return [f"Repaired elsewhere: {_listed(found.repaired)}."] if found.repaired else []


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = [f"{len(every) - SHOWN:,} more"] if len(every) > SHOWN else []
    return ", ".join([*every[:SHOWN], *more])
