"""The history of the data branch: its versions, the tags that follow it, and what is wrong with them."""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pipeline.base.documents import DataVersionRecord
from pipeline.io.versioning.data_remote import BRANCH, find_remote, is_ancestor, is_cut, tracking_ref
from pipeline.io.versioning.git import Git

TAGS = "refs/tags/data/"
MANIFEST = "data/manifest.json"
# The branch and the tags of data versions, here or fetched from a remote.
DATA_REFS = re.compile(r"/data/(main|v\d+)$")


@dataclass(frozen=True)
class Manifest:
    """Describe the texts of a data version: fingerprint, and numbers by split, label, language, source.

    `sides` counts the texts of each split; its name is stored.
    """

    fingerprint: str
    rows: int
    sides: Mapping[str, int]
    labels: Mapping[str, int]
    languages: Mapping[str, int]
    sources: Mapping[str, int]


@dataclass(frozen=True)
class DataVersion(Manifest):
    """Describe a data version, its commit, and its `parent`, the version before it."""

    name: str
    commit: str
    created: str
    parent: str | None
    reason: str

    def as_dict(self) -> DataVersionRecord:
        """Return the fields, the name first."""
        return cast(DataVersionRecord, {"name": self.name, **dataclasses.asdict(self)})


def newest_commit(git: Git, branch: str | None) -> str | None:
    """Return the newest version's commit: of the branch, or of the newest tag where the branch is behind."""
    for tag in git.run(
        "for-each-ref", "--format=%(refname)", "--sort=-version:refname", f"{TAGS}v[0-9]*"
    ).split():
        commit = git.commit_of(tag)
        # A tag that somebody moved elsewhere is passed over; `tag_faults` names it.
        if commit and _name_at(git, commit) == tag.removeprefix(TAGS):
            return branch if branch and not is_ancestor(git, branch, commit) else commit
    return branch


def _name_at(git: Git, commit: str) -> str | None:
    """Return the name of the data version that a commit is, None where it is none."""
    document = git.ask("show", f"{commit}:{MANIFEST}")
    try:
        return str(json.loads(document)["name"]) if document else None
    except (ValueError, KeyError, TypeError):
        return None


def versions_of(git: Git, tip: str | None) -> tuple[DataVersion, ...]:
    """Return the data versions in the history of a commit, the newest first."""
    if tip is None:
        return ()
    commits = [line.split() for line in git.run("log", "--format=%H %cI", tip).splitlines()]
    return tuple(
        DataVersion(commit=commit, created=created, **json.loads(git.run("show", f"{commit}:{MANIFEST}")))
        for commit, created in commits
    )


def restore_tags(git: Git, versions: tuple[DataVersion, ...]) -> None:
    """Set the tags of these versions that are missing."""
    for version in versions:
        if git.commit_of(f"{TAGS}{version.name}") is None:
            git.run("update-ref", f"{TAGS}{version.name}", version.commit)


def branch_faults(root: Path) -> list[str]:
    """Return a sentence, with what to type, for each fault of the data branch and its tags."""
    git = Git(root)
    branch = git.commit_of(BRANCH)
    tip = newest_commit(git, branch)
    commits = {version.name: version.commit for version in versions_of(git, tip)}
    faults = []
    if tip and is_cut(git, tip):
        faults.append("The history of data/main is cut off. Type `git fetch --unshallow`.")
    for tag in git.run("for-each-ref", "--format=%(refname)", TAGS).split():
        name, commit = tag.removeprefix(TAGS), git.commit_of(tag)
        if name not in commits:
            faults.append(f"The tag data/{name} names no data version. Type `git tag --delete data/{name}`.")
        elif commit != commits[name]:
            right = f"git tag --force data/{name} {commits[name][:12]}"
            faults.append(f"The tag data/{name} was moved away from its data version. Type `{right}`.")
    remote = find_remote(git)
    theirs = git.commit_of(tracking_ref(remote)) if remote else None
    if theirs and tip and not is_ancestor(git, theirs, tip) and not is_ancestor(git, tip, theirs):
        faults.append(
            f"data/main and that of {remote} went apart. Type `git push --force {remote} data/main` to keep "
            f"what is here, or `git branch --force data/main {remote}/data/main` to take what is there."
        )
    return faults
