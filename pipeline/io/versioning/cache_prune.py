"""The objects of DVC's cache that nothing in use reaches; the DVC remote is never touched."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from pipeline.base.errors import DigestMismatch
from pipeline.io.cache_links import md5
from pipeline.io.removal import Removal
from pipeline.io.versioning.branch_history import DATA_REFS
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.io.versioning.git import Git

if TYPE_CHECKING:
    from dvc.cachemgr import HashFileDB
    from dvc.repo import Repo


def unused_objects(root: Path, locks: Iterable[str]) -> list[Removal]:
    """Return the run cache entries and objects that neither these dvc.lock texts nor the repository need.

    The repository needs what its work tree, its branches and its tags name, except for those of the data
    versions. A cache outside the workspace may serve others too, so nothing of it is returned.
    """
    with DvcCache(root).opened() as repo:
        cache: HashFileDB = repo.cache.local
        folder = Path(cache.path)
        if not folder.resolve().is_relative_to(root.resolve()):
            return []
        # What the versions name goes first: DVC removes a changed list of files where it reads one.
        reached = set(_with_files(cache, set(_names(locks))))
        reached |= set(_with_files(cache, set(_names_of_repository(root, repo)) - reached))
        runs = [
            Removal.of_path("run cache", path, root)
            for path in sorted(Path(repo.stage_cache.cache_dir).glob("*/*/*"))
            if not _outs(path) <= reached
        ]
        objects = [
            Removal.of_path("cache object", path, root)
            for path in sorted(folder.glob("[0-9a-f][0-9a-f]/*"))
            if path.is_file() and path.parent.name + path.name not in reached
        ]
    # The entries first: after a kill none names an object that is gone.
    return [*runs, *objects]


def _names(locks: Iterable[str]) -> Iterator[str]:
    for text in locks:
        for stage in ((yaml.safe_load(text) or {}).get("stages") or {}).values():
            yield from (out["md5"] for out in stage.get("outs", ()) if "md5" in out)


def _names_of_repository(root: Path, repo: "Repo") -> Iterator[str]:
    git = Git(root)
    refs = git.run("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes", "refs/tags").split()
    commits = {git.commit_of(ref) for ref in refs if not DATA_REFS.search(ref)}
    revisions = sorted(
        commit for commit in commits if commit and git.ask("cat-file", "-e", f"{commit}:dvc.yaml") is not None
    )
    for hashes in repo.used_objs(revs=revisions).values():
        yield from (one.value for one in hashes)


def _with_files(cache: "HashFileDB", names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield name
        path = Path(cache.oid_to_path(name))
        if name.endswith(".dir") and path.is_file():
            if md5(path) != name.removesuffix(".dir"):
                raise DigestMismatch(
                    f"{path}, the list of a folder in use, was changed on the disk, so its files are "
                    "unknown. Nothing was removed. Type `tonewatch doctor`, which says how to repair it."
                )
            yield from (entry["md5"] for entry in json.loads(path.read_text("utf-8")))


def _outs(entry: Path) -> set[str]:
    document = yaml.safe_load(entry.read_text("utf-8")) or {}
    return {out["md5"] for out in document.get("outs", ()) if "md5" in out}
