"""What a DVC remote holds of what is to be forgotten: every object is searched, whoever put it there."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.io.cache_links import md5
from pipeline.io.forgetting.held_files import Covers, held_rows
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.io.versioning.remotes.store import RemoteStore
from pipeline.io.versioning.remotes.transfer import object_path

if TYPE_CHECKING:
    from dvc.cachemgr import HashFileDB


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


def _searched(store: RemoteStore, cache: "HashFileDB", covers: Covers) -> Iterator[tuple[str, bool]]:
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
