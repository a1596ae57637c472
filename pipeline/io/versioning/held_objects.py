"""Objects of DVC's cache that hold what is to be forgotten, and the data versions that need them."""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline.base.errors import NotAWorkspace
from pipeline.io import files
from pipeline.io.cache_links import cache_folder
from pipeline.io.forgetting.held_files import Covers, Row, held_rows
from pipeline.io.forgetting.record import remains_of
from pipeline.io.forgetting.stage_folders import purge_stage
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.data_branch import DataVersion

__all__ = ["DataVersion"]
from pipeline.io.versioning.git import ensure_git_and_dvc

SPLITS_FOLDER = "data/splits"


@dataclass(frozen=True)
class VersionFile:
    """One file of a data version: its path in the workspace, and the MD5 that names its object."""

    path: str
    md5: str


def cache_objects(root: Path) -> Iterator[Path]:
    """Yield every file of the cache but DVC's own notes of runs."""
    folder = cache_folder(root / ".dvc")
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and not path.name.endswith(".dir") and "runs" not in path.parts:
            yield path


def is_own_cache(root: Path) -> bool:
    """Return whether the cache is in the workspace, so that it serves nobody else."""
    return cache_folder(root / ".dvc").resolve().is_relative_to(root.resolve())


def held_objects(root: Path, covers: Covers) -> tuple[dict[Path, list[Row]], list[Path]]:
    """Return the objects with covered rows, and those that cannot be read."""
    held: dict[Path, list[Row]] = {}
    unreadable = []
    for path in cache_objects(root):
        try:
            if rows := list(held_rows(path, covers)):
                held[path] = rows
        except (OSError, ValueError):  # of pyarrow's errors too
            unreadable.append(path)
    return held, unreadable


def object_name(path: Path) -> str:
    """Return the MD5 that names an object of the cache."""
    return path.parent.name + path.name


def versions_of(root: Path) -> tuple[DataVersion, ...]:
    """Return the data versions, none in a folder without git."""
    try:
        ensure_git_and_dvc(root)
        return data_branch.list_versions(root)
    except NotAWorkspace:
        return ()


def version_files(root: Path, version: DataVersion) -> list[VersionFile] | None:
    """Return the files of a data version; None where the cache lacks the list of one of its folders."""
    by_name = {path.parent.name + path.name: path for path in cache_folder(root / ".dvc").rglob("*.dir")}
    found = []
    for stage in yaml.safe_load(data_branch.lock_of(root, version))["stages"].values():
        for out in stage.get("outs", ()):
            if (listing := by_name.get(out.get("md5", ""))) is None:
                return None
            entries = json.loads(listing.read_text("utf-8"))
            found += [VersionFile(f"{out['path']}/{one['relpath']}", one["md5"]) for one in entries]
    return found


def keep_remains(root: Path, version: DataVersion, covers: Covers) -> bool:
    """Keep the splits of a data version without what is covered; return whether they could be read.

    What the champion learnt from must stay known: none of it may become a test text.
    """
    remains = remains_of(root, version.name)
    original = remains.with_name(f"whole-{version.name}")
    shutil.rmtree(original, ignore_errors=True)
    if (remains / files.RECEIPT).is_file():
        purge_stage(remains, remains, covers)
        return True
    objects = {object_name(path): path for path in cache_objects(root)}
    wanted = [one for one in version_files(root, version) or () if one.path.startswith(f"{SPLITS_FOLDER}/")]
    if not wanted or any(one.md5 not in objects for one in wanted):
        return False
    try:
        for one in wanted:
            target = original / one.path.removeprefix(f"{SPLITS_FOLDER}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(objects[one.md5], target)
        purge_stage(original, remains, covers)
    finally:
        shutil.rmtree(original, ignore_errors=True)
    return True


def remove_objects(paths: Iterable[Path]) -> None:
    """Remove objects of the cache."""
    for path in paths:
        path.unlink(missing_ok=True)
