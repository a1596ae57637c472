"""Push, fetch and verify the objects of data versions: a good copy anywhere repairs every other one."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.base import logs
from pipeline.base.errors import DigestMismatch, Unreachable
from pipeline.io.cache_links import md5
from pipeline.io.remotes.settings import default_remote, remote_names
from pipeline.io.remotes.store import RemoteStore, State

ASIDE = "set-aside"
log = logs.get("versions")


@dataclass
class Verification:
    """Count the objects that were read, in the cache (`cache`) and in each remote, and name the faults.

    `repaired` and `lost` name objects with their place; `unreachable` holds a sentence for each remote.
    """

    read: dict[str, int] = field(default_factory=dict)
    repaired: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)


def aside_folder(root: Path) -> Path:
    """Return the folder of objects that were found changed."""
    return root / ".tonewatch" / ASIDE


def set_aside(root: Path, path: Path) -> Path:
    """Move a changed object of the cache out of the way of its name, and return where it is now."""
    folder = aside_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    name = path.parent.name + path.name
    target = folder / name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{name}-{number}"
    shutil.move(path, target)
    log.warning("cache_object.changed", path=str(path), set_aside=str(target))
    return target


def object_path(cache: Any, digest: str) -> Path:
    """Return the path of an object in the cache."""
    return Path(cache.oid_to_path(digest))


def local_state(cache: Any, digest: str) -> State:
    """Read an object of the cache, and return whether its bytes are those of its name."""
    path = object_path(cache, digest)
    if not path.is_file():
        return "missing"
    return "good" if md5(path) == digest.removesuffix(".dir") else "changed"


def with_listed(cache: Any, digests: Iterable[str]) -> Iterator[str]:
    """Yield the digests, the lists of folders first, then what those that are readable list."""
    files: dict[str, None] = {}
    for digest in dict.fromkeys(digests):
        if digest.endswith(".dir"):
            yield digest
            if local_state(cache, digest) == "good":
                listed = json.loads(object_path(cache, digest).read_text("utf-8"))
                files |= dict.fromkeys(entry["md5"] for entry in listed)
        else:
            files[digest] = None
    yield from files


def push(repo: Any, digests: Iterable[str], name: str) -> int:
    """Write to a remote what it lacks, or has in another size; return the number of objects written.

    Raises DigestMismatch for a changed object of the cache: it is never pushed; Unreachable for a remote that
    fails.
    """
    store, cache = RemoteStore(repo, name), repo.cache.local
    # A list of files goes last: where it is, all that it lists is there.
    written = 0
    for digest in reversed(list(with_listed(cache, digests))):
        path, size = object_path(cache, digest), store.size(digest)
        if not path.is_file() or size == path.stat().st_size:
            continue
        if local_state(cache, digest) == "changed":
            raise DigestMismatch(
                f"{path} was changed on the disk, so it is not pushed to {name}. "
                "Type `tonewatch data verify`."
            )
        if size is not None:
            log.warning("remote_object.changed", remote=name, set_aside=store.set_aside(digest))
        store.put(path, digest)
        written += 1
    return written


def fetch(repo: Any, root: Path, digests: Sequence[str]) -> list[str]:
    """Fetch objects that the cache lacks from the first remote that has them good.

    Returns a sentence for each remote that failed, and for each changed copy, which is set aside there.
    """
    wanted, reasons = list(digests), []
    for name in remote_names(root):
        if not wanted:
            break
        try:
            store = RemoteStore(repo, name)
            for digest in list(wanted):
                state = store.fetch(digest, object_path(repo.cache.local, digest))
                if state == "good":
                    wanted.remove(digest)
                elif state == "changed" and store.state(digest) == "changed":
                    reasons.append(_changed_sentence(store, digest))
        except Unreachable as error:
            log.warning("remote.failed", remote=name, error=str(error))
            reasons.append(str(error))
    return reasons


def _changed_sentence(store: RemoteStore, digest: str) -> str:
    where = store.path(digest)
    try:
        aside = f"It was set aside as {store.set_aside(digest)}."
    except Unreachable as error:
        aside = str(error)
    log.warning("remote_object.changed", remote=store.name, path=where)
    return f"The copy in the DVC remote {store.name} was changed: {where}. {aside}"


def verify(repo: Any, root: Path, digests: Sequence[str]) -> Verification:
    """Read these objects in the cache and in every remote; set changed ones aside, restore what is gone."""
    verifier, done = _Verifier(repo, root), set[str]()
    # A list that is lost in the cache may be restored first: then its files are known.
    while left := [one for one in with_listed(repo.cache.local, digests) if one not in done]:
        for digest in left:
            verifier.verify(digest)
            done.add(digest)
    return verifier.found


class _Verifier:
    """Verify object after object; a remote that fails is named once, and left out from then on."""

    def __init__(self, repo: Any, root: Path) -> None:
        self.found = Verification()
        self._root, self._cache, self._default = root, repo.cache.local, default_remote(root)
        self._stores: list[RemoteStore] = []
        for name in remote_names(root):
            try:
                self._stores.append(RemoteStore(repo, name))
            except Unreachable as error:
                self.found.unreachable.append(str(error))

    def verify(self, digest: str) -> None:
        """Verify the copies of one object."""
        path = object_path(self._cache, digest)
        state = local_state(self._cache, digest)
        self._count("cache", state)
        if state == "changed":
            set_aside(self._root, path)
        if state != "good":
            self._each(lambda store: path.is_file() or store.fetch(digest, path))
            (self.found.repaired if path.is_file() else self.found.lost).append(f"{digest} in the cache")
        self._each(lambda store: self._verify_copy(store, path, digest))

    def _verify_copy(self, store: RemoteStore, path: Path, digest: str) -> None:
        """Verify one copy; the default remote gets what it lacks, another one only what was changed there."""
        state = store.state(digest)
        self._count(store.name, state)
        if state == "good" or (state == "missing" and store.name != self._default):
            return
        if state == "changed":
            log.warning("remote_object.changed", remote=store.name, set_aside=store.set_aside(digest))
        if path.is_file():
            store.put(path, digest)
            self.found.repaired.append(f"{digest} in the remote {store.name}")
        elif state == "changed":
            self.found.lost.append(f"{digest} in the remote {store.name}")

    def _count(self, place: str, state: State) -> None:
        self.found.read[place] = self.found.read.get(place, 0) + (state != "missing")

    def _each(self, act: Callable[[RemoteStore], object]) -> None:
        for store in list(self._stores):
            try:
                act(store)
            except Unreachable as error:
                self._stores.remove(store)
                self.found.unreachable.append(str(error))
