"""The objects of DVC's cache: which are gone, which were changed, and fetching them from the remotes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.errors import DigestMismatch, Fault
from pipeline.io.cache_links import md5
from pipeline.io.remotes.settings import remote_names
from pipeline.io.remotes.transfer import fetch, set_aside

if TYPE_CHECKING:
    from dvc.cachemgr import HashFileDB
    from dvc.output import Output
    from dvc.repo import Repo

# DVC's outs by path, each with the hash recorded for it.
Outs = Mapping[str, tuple["Output", str]]
log = logs.get("versions")


def remove_changed(out: "Output") -> None:
    """Remove the changed cache objects of an out, which DVC would trust because of their names."""
    for path in find_objects(out.cache, out.hash_info.value)[1]:
        log.warning("cache_object.changed", path=str(path))
        path.unlink()


def missing_sentence(needed_by: str, missing: Sequence[Path], reasons: Sequence[str] = ()) -> str:
    """Say which cache objects are gone, as after `dvc gc`, and how they come back."""
    return " ".join(
        (
            f"{missing[0]} is missing from the DVC cache, with {len(missing) - 1} more that {needed_by}",
            "needs, and no DVC remote provides it. This command changed nothing.",
            *reasons,
            "Copy it back from a backup, or name a remote that has it",
            "(`dvc remote add --default NAME ADDRESS`), then type the same again.",
        )
    )


def provide_objects(repo: "Repo", outs: Outs) -> None:
    """Fetch missing and changed objects of these outs from the remotes, if there are any.

    Raises DigestMismatch for an object that stays changed, Fault for one that stays missing.
    """
    reasons: list[str] = []
    # First the list of a folder may be fetched anew, then what it lists.
    for _ in range(2):
        reasons += fetch_missing(repo, outs)
        changed = [path for out, digest in outs.values() for path in find_objects(out.cache, digest)[1]]
        if not (changed and remote_names(Path(repo.root_dir))):
            break
        for path in dict.fromkeys(changed):
            set_aside(Path(repo.root_dir), path)
    else:
        reasons += fetch_missing(repo, outs)
    verify_objects(outs, reasons)


def fetch_missing(repo: "Repo", outs: Outs) -> list[str]:
    """Fetch the objects that the cache lacks from the remotes: lists of folders first, then files.

    Returns a sentence for each remote that failed and for each changed copy.
    """
    reasons: dict[str, None] = {}
    before: set[str] = set()
    while True:
        paths = [path for out, digest in outs.values() for path in missing_objects(out.cache, digest)]
        missing = {path.parent.name + path.name for path in paths}
        if not missing or missing == before:
            return list(reasons)
        before = missing
        reasons |= dict.fromkeys(fetch(repo, Path(repo.root_dir), sorted(missing)))


def missing_objects(cache: "HashFileDB", digest: str) -> list[Path]:
    """Return the objects of a hash that the cache lacks, without reading those that it has."""
    folder = Path(cache.oid_to_path(digest))
    if not folder.is_file():
        return [folder]
    if not digest.endswith(".dir") or md5(folder) != digest.removesuffix(".dir"):
        return []  # a changed list is found by `verify_objects`
    entries = json.loads(folder.read_text("utf-8"))
    return [
        path for path in (Path(cache.oid_to_path(entry["md5"])) for entry in entries) if not path.is_file()
    ]


def verify_objects(outs: Outs, reasons: Sequence[str] = ()) -> None:
    """Raise DigestMismatch for a changed object of these outs, Fault for a missing one."""
    for path, (out, digest) in outs.items():
        missing, changed = find_objects(out.cache, digest)
        if changed:
            raise DigestMismatch(
                f"{changed[0]}, which {path} needs, was changed on the disk. This command changed nothing. "
                "Remove that file and type the same again: it is fetched from the DVC remote, if there is "
                "one; else `tonewatch run` makes it anew."
            )
        if missing:
            raise Fault(missing_sentence(path, missing, reasons))


def find_objects(cache: "HashFileDB", digest: str) -> tuple[list[Path], list[Path]]:
    """Return the objects of a hash that the cache lacks, and those whose bytes were changed."""
    missing: list[Path] = []
    changed: list[Path] = []
    waiting = [digest]
    while waiting:
        name = waiting.pop()
        path = Path(cache.oid_to_path(name))
        if not path.is_file():
            missing.append(path)
        elif md5(path) != name.removesuffix(".dir"):
            changed.append(path)
        elif name.endswith(".dir"):
            waiting += [entry["md5"] for entry in json.loads(path.read_text("utf-8"))]
    return missing, changed
