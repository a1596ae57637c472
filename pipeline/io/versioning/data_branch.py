"""Data versions: commits on a branch of their own; the user's branch, index and work tree stay untouched.

The branch `data/main` is the truth; the tags `data/v1`, `data/v2`, ... follow it and are restored when
missing.
"""

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.errors import Fault, UsageError
from pipeline.io import files
from pipeline.io.forgetting.record import not_whole_sentence, read_record, remains_of
from pipeline.io.params_file import set_param
from pipeline.io.versioning.branch_history import (
    MANIFEST,
    TAGS,
    DataVersion,
    Manifest,
    newest_commit,
    restore_tags,
    versions_of,
)
from pipeline.io.versioning.data_remote import BRANCH, follow_remote
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.io.versioning.git import Git, GitRefused

__all__ = ["DataVersion", "Manifest"]
# Not `identity`: every run writes it anew, and it covers the code of later stages too.
STAGES = ("collect", "clean", "validate", "split")
# What DVC needs beside dvc.lock to read a version as a repository of its own.
COMMITTED_FILES = ("dvc.yaml", "params.yaml", ".dvc/config", ".dvc/.gitignore")
ATTEMPTS, PAUSE_SECONDS = 20, 0.05


def commit_version(root: Path, manifest: Manifest, *, reason: str) -> DataVersion:
    """Commit the data of the work tree as a version; equal content is an existing version.

    Concurrent calls commit one version. A killed call leaves no version, and the next call commits it.
    Raises Fault when the data differ from dvc.lock or git refuses.
    """
    if not DvcCache(root).holds(STAGES):
        raise Fault(
            f"The data in {root / 'data'} differ from dvc.lock. Type `tonewatch run`, which records them."
        )
    git = Git(root)
    if all(version.fingerprint != manifest.fingerprint for version in list_versions(root)):
        follow_remote(git)
    for _ in range(ATTEMPTS):
        branch = git.commit_of(BRANCH)
        tip = newest_commit(git, branch)
        versions = versions_of(git, tip)
        restore_tags(git, versions)
        for version in versions:
            if version.fingerprint == manifest.fingerprint:
                return version
        name = f"v{int(versions[0].name[1:]) + 1 if versions else 1}"
        parent = versions[0].name if versions else None
        commit = _commit(git, manifest, name=name, parent=parent, reason=reason, tip=tip)
        try:
            git.move(
                (
                    f"update {BRANCH} {commit} {branch}" if branch else f"create {BRANCH} {commit}",
                    f"create {TAGS}{name} {commit}",
                )
            )
        except GitRefused as error:
            refusal = error
            # Another process moved the branch, or is moving it.
            time.sleep(PAUSE_SECONDS)
            continue
        return versions_of(git, commit)[0]
    raise Fault(
        f"The data version could not be committed: {refusal}. Follow git's advice, then type the same again."
    )


def list_versions(root: Path) -> tuple[DataVersion, ...]:
    """Return every data version, the newest first."""
    git = Git(root)
    return versions_of(git, newest_commit(git, git.commit_of(BRANCH)))


def version_of(root: Path, name: str) -> DataVersion:
    """Return one data version by its name.

    Raises UsageError for one that does not exist.
    """
    by_name = {version.name: version for version in list_versions(root)}
    if name not in by_name:
        raise UsageError(
            f"There is no data version {name!r} (known: {', '.join(by_name) or 'none'}). "
            "List them with `tonewatch data list`."
        )
    return by_name[name]


def lock_of(root: Path, version: DataVersion) -> str:
    """Return the text of the dvc.lock of a version."""
    return Git(root).run("show", f"{version.commit}:dvc.lock")


def restore(root: Path, name: str) -> DataVersion:
    """Put a version's data into the work tree and pin it in params.yaml; later stages are no longer recorded.

    Raises DigestMismatch with the path of a changed cache object, before anything is changed.
    A killed call is finished by the same call.
    """
    version = version_of(root, name)
    if forgotten := read_record(root)["versions"].get(name):
        raise Fault(not_whole_sentence(name, forgotten))
    cache = DvcCache(root)
    stages = _stages_of(Git(root), version)
    text = lock_text({**_pick(cache.lock()["stages"], ("identity",)), **_pick(stages, STAGES)})
    # The pin goes first: if the process is killed after it, the next run checks out this version.
    cache.restore(text, first=lambda: set_param(root / "params.yaml", f"data.version={name}"))
    fingerprint = files.verified_receipt(root / "data" / "splits", made_by="split").notes["fingerprint"]
    if fingerprint != version.fingerprint:
        raise Fault(
            f"The data of {name} now have the fingerprint {fingerprint[:12]}. "
            f"Compare it with `tonewatch data show {name}`."
        )
    return version


def export_folder(root: Path, name: str, path: str, out: Path) -> None:
    """Write a folder of a version to `out`, which must not exist; the work tree is not touched.

    The caller verifies its receipt. Raises Fault when the cache lacks one of its files.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    version = version_of(root, name)
    remains = remains_of(root, name)
    if path == "data/splits" and (remains / files.RECEIPT).is_file():
        # Something of it was forgotten: this is the rest.
        shutil.copytree(remains, out)
        return
    try:
        Repo.get(str(root), path, out=str(out), rev=version.commit)
    except (DvcException, FileNotFoundError) as error:
        raise Fault(
            f"{path} of data version {name} cannot be read: {error}. "
            "Restore its files with `dvc fetch --all-tags`, then type the same again."
        ) from error


def holds_version(root: Path, version: DataVersion) -> bool:
    """Return whether the data in the work tree, as recorded in dvc.lock, are those of a version."""
    cache = DvcCache(root)
    same_outs = _outs(cache.lock()["stages"]) == _outs(_stages_of(Git(root), version))
    return same_outs and cache.holds(STAGES)


def holds_lock(root: Path, text: str) -> bool:
    """Return whether the folders in the work tree are those that a dvc.lock records."""
    stages = [stage for stage in yaml.safe_load(text)["stages"] if stage != "identity"]
    return not stages or DvcCache(root).holds(stages)


def restore_lock(root: Path, text: str) -> None:
    """Write a dvc.lock and check out and verify its folders; a killed call is finished by the same call."""
    DvcCache(root).restore(text)


def missing_objects(root: Path, text: str) -> list[Path]:
    """Return the cache objects of a dvc.lock that are gone and that no DVC remote can provide."""
    if not yaml.safe_load(text)["stages"]:
        return []
    cache = DvcCache(root)
    return [] if cache.remote() else cache.missing(text)


def fetch_objects(root: Path, text: str) -> list[Path]:
    """Fetch the cache objects of a dvc.lock that are gone from the DVC remote; return what stays missing."""
    if not yaml.safe_load(text)["stages"]:
        return []
    cache = DvcCache(root)
    cache.fetch(text)
    return cache.missing(text)


def faulty_objects(root: Path, text: str) -> list[Path]:
    """Return the cache objects of a dvc.lock that are missing or were changed; reads all of them."""
    return DvcCache(root).faulty(text) if yaml.safe_load(text)["stages"] else []


def lock_text(stages: Mapping[str, Any]) -> str:
    """Return the text of a dvc.lock with these stages."""
    from dvc.utils.serialize import dumps_yaml

    return str(dumps_yaml({"schema": "2.0", "stages": dict(stages)}))


def _stages_of(git: Git, version: DataVersion) -> dict[str, Any]:
    return dict(yaml.safe_load(git.run("show", f"{version.commit}:dvc.lock"))["stages"])


def _commit(
    git: Git, manifest: Manifest, *, name: str, parent: str | None, reason: str, tip: str | None
) -> str:
    document = {**dataclasses.asdict(manifest), "name": name, "parent": parent, "reason": reason}
    contents = {
        path: (git.root / path).read_bytes() for path in COMMITTED_FILES if (git.root / path).is_file()
    }
    contents["dvc.lock"] = lock_text(_pick(DvcCache(git.root).lock()["stages"], STAGES)).encode()
    contents[MANIFEST] = files.json_bytes(document)
    with tempfile.TemporaryDirectory(prefix="tonewatch-") as staging:
        message = f"data {name}: {manifest.rows} texts\n\n{reason}\n"
        return git.commit_files(contents, message, parent=tip, index=Path(staging) / "index")


def _pick(stages: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: stages[name] for name in names if name in stages}


def _outs(stages: Mapping[str, Any]) -> dict[str, str]:
    return {out["path"]: out["md5"] for name in STAGES for out in stages.get(name, {}).get("outs", ())}
