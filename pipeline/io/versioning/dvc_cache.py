"""DVC's record of a workspace: which stage ran on which inputs, and the folders it left."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipeline.base.errors import ConfigError, DigestMismatch, Fault
from pipeline.io import files
from pipeline.io.cache_links import is_cache_link
from pipeline.io.remotes.settings import always_verify
from pipeline.io.versioning.cache_objects import (
    Outs,
    fetch_missing,
    find_objects,
    missing_objects,
    provide_objects,
    remove_changed,
    verify_objects,
)
from pipeline.io.versioning.git import ensure_git_and_dvc

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

LOCK = "dvc.lock"
EMPTY: dict[str, Any] = {"schema": "2.0", "stages": {}}


class DvcCache:
    """Read and write `dvc.lock` and the DVC cache of a workspace; each call waits for other users of DVC.

    Raises NotAWorkspace for a folder that is not under git and DVC.
    """

    def __init__(self, root: Path) -> None:
        ensure_git_and_dvc(root)
        self.root = root

    def unchanged(self, stage: str) -> bool:
        """Return whether a stage's command, inputs, parameters and outputs are those recorded.

        Outputs that are missing or different are first restored from the cache.
        """
        with self.opened() as repo:
            definition = _stage(repo, stage)
            if definition.always_changed or definition.changed_stage() or definition.changed_deps():
                return False
            return all(_restore_out(out) for out in definition.outs)

    def restored(self, stage: str) -> bool:
        """Restore the outputs of an earlier run on the same inputs; return whether there was one."""
        from dvc.stage.cache import RunCacheNotFoundError

        with self.opened() as repo:
            definition = _stage(repo, stage)
            if definition.always_changed or not all(dep.exists for dep in definition.deps):
                return False
            try:
                repo.stage_cache.restore(definition)
            except RunCacheNotFoundError:
                return False
            definition.save(run_cache=False)
            if not all(_keep_if_verified(out) for out in definition.outs):
                return False
            definition.dump(update_pipeline=False)
            return True

    def commit(self, stage: str) -> None:
        """Record a run of a stage: inputs, parameters and outputs in `dvc.lock`, its folder in the cache."""
        with self.opened() as repo:
            definition = _stage(repo, stage)
            definition.save()
            for out in definition.outs:
                remove_changed(out)
            # Not relinked: the folder just written is complete and stays as it is.
            definition.commit(relink=False)
            definition.dump(update_pipeline=False)

    def holds(self, stages: Sequence[str]) -> bool:
        """Return whether the folders of these stages are recorded in dvc.lock as they are, and cached."""
        with self.opened() as repo:
            return not any(_stage(repo, stage).changed_outs() for stage in stages)

    def restore(self, lock: str, *, first: Callable[[], object] | None = None) -> None:
        """Write `dvc.lock` and check out all its folders.

        Objects that the cache lacks are first fetched from the DVC remote, if there is one. `first` is called
        once every cache object is verified. The lock is written before the folders: after a kill in between,
        the next call or run restores them from the cache. Raises Fault or DigestMismatch for a missing or
        changed cache object, before anything is changed.
        """
        with self.opened() as repo:
            outs = self._outs(repo, yaml.safe_load(lock))
            provide_objects(repo, outs)
            if first:
                first()
            files.write_bytes(self.root / LOCK, lock.encode())
            repo._reset()
            self._check_out(repo, outs)

    def missing(self, lock: str) -> list[Path]:
        """Return the cache objects of a `dvc.lock` that are gone, as after `dvc gc`; changes nothing."""
        with self.opened() as repo:
            outs = self._outs(repo, yaml.safe_load(lock))
            return [path for out, digest in outs.values() for path in missing_objects(out.cache, digest)]

    def fetch(self, lock: str) -> None:
        """Fetch the missing objects of a `dvc.lock` from the DVC remote, if there is one."""
        with self.opened() as repo:
            fetch_missing(repo, self._outs(repo, yaml.safe_load(lock)))

    def can_refill(self) -> bool:
        """Return whether every folder in the work tree is the one that dvc.lock records."""
        with self.opened() as repo:
            outs = [out for out, _ in self._outs(repo, self.lock()).values()]
            return all(not out.workspace_status() and _verified(Path(out.fs_path)) for out in outs)

    def refill(self) -> None:
        """Put the folders of the work tree into the cache again, in place of missing and changed objects."""
        with self.opened() as repo:
            for out, _ in self._outs(repo, self.lock()).values():
                remove_changed(out)
                out.commit(relink=False)

    def faulty(self, lock: str) -> list[Path]:
        """Return the cache objects of a `dvc.lock` that are missing or whose bytes were changed."""
        with self.opened() as repo:
            outs = self._outs(repo, yaml.safe_load(lock))
            pairs = [find_objects(out.cache, digest) for out, digest in outs.values()]
            return [path for missing, changed in pairs for path in (*missing, *changed)]

    def remote(self) -> str | None:
        """Return the name of the default DVC remote, None where there is none."""
        with self.opened() as repo:
            name = repo.config["core"].get("remote")
            return str(name) if name else None

    def lock(self) -> dict[str, Any]:
        """Read the work tree's `dvc.lock`; no stages when there is none."""
        path = self.root / LOCK
        return {**EMPTY, **(yaml.safe_load(path.read_text("utf-8")) or {})} if path.is_file() else dict(EMPTY)

    @contextlib.contextmanager
    def opened(self) -> Iterator["Repo"]:
        """Yield DVC's own view of the workspace, locked for the block."""
        from dvc.exceptions import DvcException
        from dvc.repo import Repo, lock_repo

        # DVC prints what it does to stdout, where our own output goes; importing it resets its log level.
        logging.getLogger("dvc").setLevel(logging.ERROR)
        try:
            # Its run cache takes "dvc.yaml" from the current folder.
            with (
                contextlib.chdir(self.root),
                Repo(str(self.root), _wait_for_lock=True) as repo,
                lock_repo(repo),
            ):
                always_verify(repo.config)
                yield repo
        except DvcException as error:
            raise Fault(
                f"DVC failed in {self.root}: {error}. Type `dvc status` there for details."
            ) from error

    def _outs(self, repo: "Repo", lock: Mapping[str, Any]) -> Outs:
        """Return the cached outs in both the lock and dvc.yaml, by path, with their recorded hashes."""
        recorded = {
            out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", ())
        }
        listed = (
            out
            for stage in repo.index.stages
            for out in stage.outs
            if out.use_cache and out.def_path in recorded
        )
        return {out.def_path: (out, recorded[out.def_path]) for out in listed}

    def _check_out(self, repo: "Repo", outs: Outs) -> None:
        verify_objects(outs)
        folders = {path: Path(out.fs_path) for path, (out, _) in outs.items()}
        if folders:
            repo.checkout([str(folder) for folder in folders.values()], force=True)
        for path, folder in folders.items():
            if not _verified(folder):
                # DVC skips a file whose content changed while its time and size did not.
                shutil.rmtree(folder, ignore_errors=True)
                repo.checkout([str(folder)], force=True)
            if not _verified(folder):
                raise DigestMismatch(
                    f"{path} from the cache differs from its receipt. To rebuild it, type `tonewatch run`."
                )


def _stage(repo: "Repo", name: str) -> "PipelineStage":
    from dvc.stage.exceptions import StageNotFound

    try:
        return repo.stage.load_one(path=f"{repo.root_dir}/dvc.yaml", name=name)
    except StageNotFound as error:
        raise ConfigError(
            f"{repo.root_dir}/dvc.yaml has no stage {name!r}. "
            "Compare it with the one `tonewatch init` writes."
        ) from error


def _restore_out(out: "Output") -> bool:
    """Restore an out from the cache unless it is as recorded; return whether it is now."""
    if not out.hash_info:
        return False
    folder = Path(out.fs_path)
    if any(path.is_symlink() and not is_cache_link(path) for path in folder.rglob("*")):
        # A copy of a workspace holds links into the cache of the original.
        shutil.rmtree(folder)
    if not out.workspace_status():
        if out.changed_cache():
            # The cache was emptied; the folder is still right.
            out.commit(relink=False)
        return True
    missing, changed = find_objects(out.cache, out.hash_info.value)
    if missing or changed:
        return False
    out.checkout(force=True)
    return _keep_if_verified(out)


def _keep_if_verified(out: "Output") -> bool:
    """Return whether a folder matches its receipt; if not, remove it and its changed objects."""
    if _verified(Path(out.fs_path)):
        return True
    remove_changed(out)
    shutil.rmtree(out.fs_path, ignore_errors=True)
    return False


def _verified(folder: Path) -> bool:
    if not folder.is_dir() or not (folder / files.RECEIPT).is_file():
        return False
    try:
        files.verify_folder(folder, files.read_receipt(folder).files)
    except (DigestMismatch, ValueError, TypeError):
        return False
    return True
