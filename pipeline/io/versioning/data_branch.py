"""Data versions: commits on a branch of their own, made without touching the user's branch, index or work tree.

The branch `data/main` is the truth; the tags `data/v1`, `data/v2`, ... are its signposts and are put up again when they are missing.
"""

import dataclasses
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.errors import Fault, UsageError
from pipeline.io import files
from pipeline.io.params_file import set_param
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.io.versioning.git import Git, GitRefused

BRANCH = "refs/heads/data/main"
TAGS = "refs/tags/data/"
MANIFEST = "data/manifest.json"
# `identity` stays out: it is made anew each time, and it tells the code of later stages too.
STAGES = ("collect", "clean", "validate", "split")
# What DVC needs beside dvc.lock to read a version as a repository of its own.
CARRIED = ("dvc.yaml", "params.yaml", ".dvc/config", ".dvc/.gitignore")
TRIES, PAUSE_SECONDS = 20, 0.05


@dataclass(frozen=True)
class Manifest:
    """Say what a data version holds: texts in all, by side, label, language and source, and their digest in no order."""

    fingerprint: str
    rows: int
    sides: Mapping[str, int]
    labels: Mapping[str, int]
    languages: Mapping[str, int]
    sources: Mapping[str, int]


@dataclass(frozen=True)
class DataVersion(Manifest):
    """Hold one data version, the commit that keeps it, and the version before it."""

    name: str
    commit: str
    created: str
    parent: str | None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, the name first."""
        return {"name": self.name, **dataclasses.asdict(self)}


def commit_version(root: Path, manifest: Manifest, *, reason: str) -> DataVersion:
    """Keep the data that lie in the work tree as a version; equal content is an existing version.

    Two at once make one. Killed half-way it leaves nothing that counts, and the next call does it.
    """
    if not DvcCache(root).kept(STAGES):
        raise Fault(
            f"The data in {root / 'data'} are not those recorded in dvc.lock. Type `tonewatch run`, which records what it makes."
        )
    git = Git(root)
    for _ in range(TRIES):
        here = git.commit_of(BRANCH)
        tip = _tip(git, here)
        known = _versions(git, tip)
        _put_up_tags(git, known)
        for version in known:
            if version.fingerprint == manifest.fingerprint:
                return version
        name = f"v{int(known[0].name[1:]) + 1 if known else 1}"
        parent = known[0].name if known else None
        commit = _commit(git, manifest, name=name, parent=parent, reason=reason, tip=tip)
        try:
            git.move(
                (
                    f"update {BRANCH} {commit} {here}" if here else f"create {BRANCH} {commit}",
                    f"create {TAGS}{name} {commit}",
                )
            )
        except GitRefused as error:
            refused = error
            # Somebody else moved the branch, or is just doing so.
            time.sleep(PAUSE_SECONDS)
            continue
        return _versions(git, commit)[0]
    raise Fault(
        f"The data version could not be kept: {refused}. Follow git's advice, then type the same again."
    )


def list_versions(root: Path) -> tuple[DataVersion, ...]:
    """Give every data version, the newest first."""
    git = Git(root)
    return _versions(git, _tip(git, git.commit_of(BRANCH)))


def version_of(root: Path, name: str) -> DataVersion:
    """Give one data version by its name.

    Raises WrongUse for one that does not exist.
    """
    known = list_versions(root)
    for version in known:
        if version.name == name:
            return version
    raise UsageError(
        f"There is no data version {name!r} (known: {', '.join(v.name for v in known) or 'none'}). Look with `tonewatch data list`."
    )


def restore(root: Path, name: str) -> DataVersion:
    """Put a version's data into the work tree and pin it in params.yaml; what later stages left is no longer recorded.

    Raises DigestMismatch with the path of a cache object that was changed, before anything is touched.
    Killed half-way, the same call finishes.
    """
    version = version_of(root, name)
    memory = DvcCache(root)
    kept = _stages_of(Git(root), version)
    text = lock_text({**_only(memory.lock()["stages"], ("identity",)), **_only(kept, STAGES)})
    # The pin goes first: whatever is killed after it, the next run stands on this version and so finishes.
    memory.restore(text, first=lambda: set_param(root / "params.yaml", f"data.version={name}"))
    found = files.verified_receipt(root / "data" / "splits", made_by="split").notes["fingerprint"]
    if found != version.fingerprint:
        raise Fault(
            f"The data of {name} have the fingerprint {found[:12]} now. Look with `tonewatch data show {name}`."
        )
    return version


def export_folder(root: Path, name: str, path: str, out: Path) -> None:
    """Write a folder of a version to `out`, which must not exist; the work tree is not touched.

    Raises Fault when the cache no longer holds it; the reader checks it against its receipt.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    version = version_of(root, name)
    try:
        Repo.get(str(root), path, out=str(out), rev=version.commit)
    except DvcException as error:
        raise Fault(
            f"{path} of data version {name} can no longer be read: {error}. Bring its files back with `dvc pull` or `dvc fetch`, "
            "then type the same again."
        ) from error


def holds_version(root: Path, version: DataVersion) -> bool:
    """Say whether the data that lie in the work tree, and are recorded, are those of a version."""
    memory = DvcCache(root)
    here, there = (_outs(stages) for stages in (memory.lock()["stages"], _stages_of(Git(root), version)))
    return here == there and memory.kept(STAGES)


def holds_lock(root: Path, text: str) -> bool:
    """Say whether the folders in the work tree are those that a dvc.lock records."""
    stages = [stage for stage in yaml.safe_load(text)["stages"] if stage != "identity"]
    return not stages or DvcCache(root).kept(stages)


def restore_lock(root: Path, text: str) -> None:
    """Make a text the work tree's dvc.lock and take out all its folders, each checked; killed half-way, the same call finishes."""
    DvcCache(root).restore(text)


def lock_text(stages: Mapping[str, Any]) -> str:
    """Write stages as a dvc.lock."""
    from dvc.utils.serialize import dumps_yaml

    return str(dumps_yaml({"schema": "2.0", "stages": dict(stages)}))


def _tip(git: Git, branch: str | None) -> str | None:
    """Find the newest version's commit: the branch's, or the newest tag's where the branch is missing or behind, as after a fetch."""
    tags = git.run(
        "for-each-ref", "--format=%(objectname)", "--sort=-version:refname", "--count=1", f"{TAGS}v[0-9]*"
    ).split()
    if not tags or (branch and git.ask("merge-base", "--is-ancestor", branch, tags[0]) is None):
        return branch
    return tags[0]


def _versions(git: Git, tip: str | None) -> tuple[DataVersion, ...]:
    if tip is None:
        return ()
    commits = [line.split() for line in git.run("log", "--format=%H %cI", tip).splitlines()]
    return tuple(
        DataVersion(commit=commit, created=created, **json.loads(git.run("show", f"{commit}:{MANIFEST}")))
        for commit, created in commits
    )


def _stages_of(git: Git, version: DataVersion) -> dict[str, Any]:
    return dict(yaml.safe_load(git.run("show", f"{version.commit}:dvc.lock"))["stages"])


def _put_up_tags(git: Git, known: tuple[DataVersion, ...]) -> None:
    for version in known:
        if git.commit_of(f"{TAGS}{version.name}") is None:
            git.run("update-ref", f"{TAGS}{version.name}", version.commit)


def _commit(
    git: Git, manifest: Manifest, *, name: str, parent: str | None, reason: str, tip: str | None
) -> str:
    document = {**dataclasses.asdict(manifest), "name": name, "parent": parent, "reason": reason}
    contents = {path: (git.root / path).read_bytes() for path in CARRIED if (git.root / path).is_file()}
    contents["dvc.lock"] = lock_text(_only(DvcCache(git.root).lock()["stages"], STAGES)).encode()
    contents[MANIFEST] = files.json_bytes(document)
    with tempfile.TemporaryDirectory(prefix="tonewatch-") as staging:
        message = f"data {name}: {manifest.rows} texts\n\n{reason}\n"
        return git.commit_files(contents, message, parent=tip, index=Path(staging) / "index")


def _only(stages: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: stages[name] for name in names if name in stages}


def _outs(stages: Mapping[str, Any]) -> dict[str, str]:
    return {out["path"]: out["md5"] for name in STAGES for out in stages.get(name, {}).get("outs", ())}
