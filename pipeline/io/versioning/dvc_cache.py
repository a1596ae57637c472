"""What DVC remembers: which stage ran on what, and every folder it left."""

import contextlib
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.base import logs
from pipeline.base.errors import ConfigError, DigestMismatch, Fault
from pipeline.io import files
from pipeline.io.versioning.git import ensure_git_and_dvc

LOCK = "dvc.lock"
EMPTY: dict[str, Any] = {"schema": "2.0", "stages": {}}
# DVC's outs by path, each with the hash recorded for it.
Outs = Mapping[str, tuple[Any, str]]


class DvcCache:
    """Answer from `dvc.lock` and the DVC cache of one workspace; each call waits for other users of DVC.

    Raises NoWorkspace at once for a folder that is not under git and DVC.
    """

    def __init__(self, root: Path) -> None:
        ensure_git_and_dvc(root)
        self.root = root

    def unchanged(self, stage: str) -> bool:
        """Say whether a stage's command, inputs, parameters and outputs are those recorded.

        Outputs that are missing or different are first taken from the cache: they are what the present inputs gave.
        """
        with self._opened() as repo:
            found = _stage(repo, stage)
            if found.always_changed or found.changed_stage() or found.changed_deps():
                return False
            return all(_back(out) for out in found.outs)

    def restored(self, stage: str) -> bool:
        """Bring back what a stage left when it last ran on these inputs and parameters, however long ago; False when it never did."""
        from dvc.stage.cache import RunCacheNotFoundError

        with self._opened() as repo:
            found = _stage(repo, stage)
            if found.always_changed or not all(dep.exists for dep in found.deps):
                return False
            try:
                repo.stage_cache.restore(found)
            except RunCacheNotFoundError:
                return False
            found.save(run_cache=False)
            if not all(_sound(out) for out in found.outs):
                return False
            found.dump(update_pipeline=False)
            return True

    def commit(self, stage: str) -> None:
        """Record that a stage ran: its inputs, parameters and outputs in `dvc.lock`, its folder in the cache."""
        with self._opened() as repo:
            found = _stage(repo, stage)
            found.save()
            for out in found.outs:
                _let_go(out)
            # Not linked back: the folder just written is whole, and so it stays.
            found.commit(relink=False)
            found.dump(update_pipeline=False)

    def kept(self, stages: Sequence[str]) -> bool:
        """Say whether the folders of these stages are recorded as they lie there, and in the cache."""
        with self._opened() as repo:
            return not any(_stage(repo, stage).changed_outs() for stage in stages)

    def restore(self, lock: str, *, first: Callable[[], object] | None = None) -> None:
        """Make a text the work tree's `dvc.lock` and take out all its folders, unless cache objects are missing or changed.

        `first` is done when everything is known to be there. The lock goes before the folders: when killed in between,
        the next call or the next run takes them from the cache.
        """
        with self._opened() as repo:
            outs = self._outs(repo, yaml.safe_load(lock))
            _examine(outs)
            if first:
                first()
            files.write_bytes(self.root / LOCK, lock.encode())
            repo._reset()
            self._take(repo, outs)

    def lock(self) -> dict[str, Any]:
        """Read the work tree's `dvc.lock`; no stages when there is none."""
        path = self.root / LOCK
        return {**EMPTY, **(yaml.safe_load(path.read_text("utf-8")) or {})} if path.is_file() else dict(EMPTY)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo, lock_repo

        # DVC tells what it does on stdout, where our own answer goes; importing it sets its level anew.
        logging.getLogger("dvc").setLevel(logging.ERROR)
        try:
            # Its run cache takes "dvc.yaml" from the current folder.
            with (
                contextlib.chdir(self.root),
                Repo(str(self.root), _wait_for_lock=True) as repo,
                lock_repo(repo),
            ):
                yield repo
        except DvcException as error:
            raise Fault(
                f"DVC could not do its part in {self.root}: {error}. Look with `dvc status` there."
            ) from error

    def _outs(self, repo: Any, lock: Mapping[str, Any]) -> Outs:
        """Give the outs that both the lock and dvc.yaml know and that DVC keeps, by path, each with its recorded hash."""
        recorded = {
            out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", ())
        }
        known = (
            out
            for stage in repo.index.stages
            for out in stage.outs
            if out.use_cache and out.def_path in recorded
        )
        return {out.def_path: (out, recorded[out.def_path]) for out in known}

    def _take(self, repo: Any, outs: Outs) -> None:
        _examine(outs)
        folders = {path: Path(out.fs_path) for path, (out, _) in outs.items()}
        if folders:
            repo.checkout([str(folder) for folder in folders.values()], force=True)
        for path, folder in folders.items():
            if not _verified(folder):
                # DVC leaves alone what was changed without a trace in times and sizes.
                shutil.rmtree(folder, ignore_errors=True)
                repo.checkout([str(folder)], force=True)
            if not _verified(folder):
                raise DigestMismatch(
                    f"{path} came from the cache, but is not what its receipt says. Make it anew with `tonewatch run`."
                )


def _stage(repo: Any, name: str) -> Any:
    from dvc.stage.exceptions import StageNotFound

    try:
        return repo.stage.load_one(path=f"{repo.root_dir}/dvc.yaml", name=name)
    except StageNotFound as error:
        raise ConfigError(
            f"{repo.root_dir}/dvc.yaml has no stage {name!r}. Compare it with the one `tonewatch init` writes."
        ) from error


def _back(out: Any) -> bool:
    """Say whether an out is as recorded, after taking it from the cache if need be."""
    if not out.hash_info:
        return False
    if not out.workspace_status():
        if out.changed_cache():
            # Somebody emptied the cache; the folder is still right.
            out.commit(relink=False)
        return True
    missing, changed = _objects(out.cache, out.hash_info.value)
    if missing or changed:
        return False
    out.checkout(force=True)
    return _sound(out)


def _sound(out: Any) -> bool:
    """Say whether a folder is as its receipt says; if not, remove it and let go of bad objects, so that a new run replaces both."""
    if _verified(Path(out.fs_path)):
        return True
    _let_go(out)
    shutil.rmtree(out.fs_path, ignore_errors=True)
    return False


def _let_go(out: Any) -> None:
    """Remove the changed cache objects of an out: DVC would take them for good because of their names."""
    for path in _objects(out.cache, out.hash_info.value)[1]:
        logs.get("version").warning("a cache object was changed on the disk", path=str(path))
        path.unlink()


def _examine(outs: Outs) -> None:
    for path, (out, digest) in outs.items():
        missing, changed = _objects(out.cache, digest)
        if changed:
            raise DigestMismatch(
                f"{changed[0]} was changed on the disk, and {path} needs it. Nothing was touched. "
                "Remove that file, then make it anew with `tonewatch run`, or fetch it with `dvc fetch` if you keep a DVC remote."
            )
        if missing:
            raise Fault(
                f"{missing[0]} is missing from the cache, and {path} needs it. Nothing was touched. "
                "Make it anew with `tonewatch run`, or fetch it with `dvc fetch` if you keep a DVC remote."
            )


def _verified(folder: Path) -> bool:
    if not folder.is_dir() or not (folder / files.RECEIPT).is_file():
        return False
    try:
        files.verify_folder(folder, dict(files.read_receipt(folder).files))
    except (DigestMismatch, ValueError, TypeError):
        return False
    return True


def _objects(cache: Any, digest: str) -> tuple[list[Path], list[Path]]:
    """Give the objects behind a hash that are missing from the cache, and those whose bytes are not what their names say."""
    missing: list[Path] = []
    changed: list[Path] = []
    waiting = [digest]
    while waiting:
        name = waiting.pop()
        path = Path(cache.oid_to_path(name))
        if not path.is_file():
            missing.append(path)
        elif _md5(path) != name.removesuffix(".dir"):
            changed.append(path)
        elif name.endswith(".dir"):
            waiting += [entry["md5"] for entry in json.loads(path.read_text("utf-8"))]
    return missing, changed


def _md5(path: Path) -> str:
    # DVC's own names of objects; against accidents, where our receipts hold SHA-256.
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
