"""Forget in the DVC remotes too; one that does not answer is pending, and the next command goes on."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.base import logs
from pipeline.base.errors import TonewatchError
from pipeline.io.forgetting.held_files import Covers
from pipeline.io.forgetting.record import erased_in, read_record
from pipeline.io.versioning.remote_search import held_in_remote
from pipeline.io.versioning.remotes.settings import remote_names


@dataclass(frozen=True)
class RemoteErasure:
    """Count the objects that held it, by remote; `pending` says of each remote that failed why."""

    objects: dict[str, int]
    pending: dict[str, str]


def forget_in_remotes(root: Path, covers: Covers, *, erase: bool) -> RemoteErasure:
    """Search every remote, and every one that is pending; with `erase` remove what holds it."""
    objects: dict[str, int] = {}
    pending: dict[str, str] = {}
    for name in remotes_of(root):
        try:
            objects[name] = held_in_remote(root, name, covers, erase=erase)
        except TonewatchError as error:
            pending[name] = str(error)
            logs.get("journal").warning("forgetting.pending", remote=name, reason=str(error))
            continue
        if erase:
            erased_in(root, name)
    return RemoteErasure(objects, pending)


def remotes_of(root: Path) -> tuple[str, ...]:
    """Return the remotes to search: the configured ones, and those that are pending under another name."""
    pending = (name for name in read_record(root)["pending"] if name)
    return tuple(dict.fromkeys((*remote_names(root), *pending)))
