"""Forget in the DVC remotes too; one that does not answer is pending, and the next command goes on."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base import logs
from pipeline.base.errors import TonewatchError
from pipeline.io.cache_links import md5
from pipeline.io.forgetting.held_files import Covers, held_rows
from pipeline.io.forgetting.record import erased_in, read_record
from pipeline.io.remotes.settings import remote_names
from pipeline.io.remotes.store import RemoteStore
from pipeline.io.remotes.transfer import object_path
from pipeline.io.versioning.dvc_cache import DvcCache


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


def held_in_remote(root: Path, name: str, covers: Covers, *, erase: bool) -> int:
    """Return the number of objects of a remote with covered rows; with `erase` they are removed there.

    What was changed or set aside there is removed with them: nobody can tell what is in it. Raises
    Unreachable where the remote fails: what is removed by then stays removed, and the same call goes on.
    """
    number = 0
    with DvcCache(root).opened() as repo:
        store = RemoteStore(repo, name)
        for path, held in _searched(store, repo.cache.local, covers):
            number += held
            if erase and held:
                store.remove(path)
    return number


def _searched(store: RemoteStore, cache: Any, covers: Covers) -> Iterator[tuple[str, bool]]:
    with tempfile.TemporaryDirectory(prefix="tonewatch-remote-") as folder:
        copy = Path(folder) / "object"
        for path in store.paths():
            digest = store.object_of(path)
            if digest.endswith(".dir"):
                continue  # a list of names and digests
            if not digest:
                yield path, True
                continue
            local = object_path(cache, digest)
            if local.is_file() or store.copy(path, copy):
                yield path, _is_held(local if local.is_file() else copy, digest, covers)


def _is_held(path: Path, digest: str, covers: Covers) -> bool:
    if md5(path) != digest:
        return True
    try:
        return any(held_rows(path, covers))
    except (OSError, ValueError):  # a file of another kind that begins like a table
        return False
