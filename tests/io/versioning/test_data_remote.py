"""A clone continues the data branch of its remote, however little of it was cloned."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.base.errors import Fault
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.branch_history import Manifest, branch_faults
from pipeline.io.versioning.dvc_cache import DvcCache

Leave = Callable[[Path, str, str], None]


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def manifest(fingerprint: str) -> Manifest:
    return Manifest(fingerprint, 3, {"train": 3}, {"good": 3}, {"en": 3}, {"tweet": 3})


def commit(root: Path, fingerprint: str) -> str:
    return data_branch.commit_version(root, manifest(fingerprint), reason="a test").name


@pytest.fixture
def hub(workspace: Path, leave: Leave, tmp_path: Path) -> Path:
    """Return a bare remote with two data versions."""
    commit(workspace, "1" * 64)
    commit(workspace, "2" * 64)
    bare = tmp_path / "hub.git"
    git(tmp_path, "init", "--quiet", "--bare", str(bare))
    git(bare, "symbolic-ref", "HEAD", "refs/heads/main")
    git(workspace, "remote", "add", "origin", str(bare))
    git(workspace, "push", "--quiet", "origin", "HEAD:main", "data/main", "--tags")
    return bare


def cloned(hub: Path, workspace: Path, *options: str) -> Path:
    """Clone the remote as a colleague does, and put the outputs of the stages there."""
    import shutil

    clone = hub.parent / "clone"
    git(hub.parent, "clone", "--quiet", *options, f"file://{hub}", str(clone))
    for name in ("data", "dvc.lock"):
        source = workspace / name
        if source.is_dir():
            shutil.copytree(source, clone / name, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, clone / name)
    shutil.copytree(workspace / ".dvc" / "cache", clone / ".dvc" / "cache")
    assert DvcCache(clone).holds(data_branch.STAGES)
    return clone


CLONES = {
    "plain": (),
    "one branch": ("--single-branch", "--no-tags"),
    "shallow, all branches, without tags": ("--depth", "1", "--no-single-branch", "--no-tags"),
}
RARER_CLONES = {
    "without tags": ("--no-tags",),
    "shallow": ("--depth", "1"),
    "shallow, all branches": ("--depth", "1", "--no-single-branch"),
}
EVERY_CLONE = [
    *(pytest.param(options, id=name) for name, options in CLONES.items()),
    *(pytest.param(options, id=name, marks=pytest.mark.slow) for name, options in RARER_CLONES.items()),
]


@pytest.mark.parametrize("options", EVERY_CLONE)
def test_a_clone_continues_the_versions_of_its_remote(
    hub: Path, workspace: Path, options: tuple[str, ...]
) -> None:
    clone = cloned(hub, workspace, *options)

    assert commit(clone, "3" * 64) == "v3"
    assert [version.name for version in data_branch.list_versions(clone)] == ["v3", "v2", "v1"]
    git(clone, "push", "--quiet", "origin", "data/main")
    assert branch_faults(clone) == []


def test_equal_data_are_the_version_of_the_remote(hub: Path, workspace: Path) -> None:
    clone = cloned(hub, workspace, "--single-branch", "--no-tags")

    assert commit(clone, "1" * 64) == "v1"
    assert [version.name for version in data_branch.list_versions(clone)] == ["v2", "v1"]


def test_a_version_that_a_colleague_pushed_comes_first(hub: Path, workspace: Path) -> None:
    clone = cloned(hub, workspace)
    commit(clone, "3" * 64)
    git(clone, "push", "--quiet", "origin", "data/main")

    assert commit(workspace, "4" * 64) == "v4"
    git(workspace, "push", "--quiet", "origin", "data/main")


def test_a_remote_that_is_away_stops_nothing(hub: Path, workspace: Path) -> None:
    clone = cloned(hub, workspace, "--no-tags")
    hub.rename(hub.with_name("away"))

    assert commit(clone, "3" * 64) == "v3"  # continues what was fetched by `git clone`


def test_a_cut_history_that_cannot_be_fetched_is_refused(hub: Path, workspace: Path) -> None:
    clone = cloned(hub, workspace, "--depth", "1", "--no-single-branch")
    hub.rename(hub.with_name("away"))
    for tag in git(clone, "tag", "--list", "data/*").split():
        git(clone, "tag", "--delete", tag)

    with pytest.raises(Fault, match="git fetch --unshallow origin refs/heads/data/main"):
        commit(clone, "3" * 64)
    hub.with_name("away").rename(hub)
    assert commit(clone, "3" * 64) == "v3"


FAULTS = {
    "moved": (("tag", "--force", "data/v1", "HEAD"), "The tag data/v1 was moved away"),
    "foreign": (("tag", "data/v9", "HEAD"), "The tag data/v9 names no data version"),
}


@pytest.mark.parametrize(("words", "sentence"), FAULTS.values(), ids=list(FAULTS))
def test_a_tag_that_names_something_else_is_reported_and_stops_nothing(
    workspace: Path, words: tuple[str, ...], sentence: str
) -> None:
    commit(workspace, "1" * 64)
    commit(workspace, "2" * 64)
    git(workspace, *words)

    (fault,) = branch_faults(workspace)
    assert fault.startswith(sentence)
    assert [version.name for version in data_branch.list_versions(workspace)] == ["v2", "v1"]
    advice = fault.rpartition("Type `git ")[2].rstrip(".`").split()
    git(workspace, *advice)
    assert branch_faults(workspace) == []


def test_branches_that_went_apart_are_reported(hub: Path, workspace: Path) -> None:
    clone = cloned(hub, workspace)
    commit(clone, "3" * 64)
    git(clone, "push", "--quiet", "--force", "origin", "data/main~2:data/main")
    git(workspace, "fetch", "--quiet", "origin")
    (workspace / "params.yaml").touch()
    git(workspace, "update-ref", "refs/remotes/origin/data/main", git(workspace, "rev-parse", "HEAD"))

    (fault,) = branch_faults(workspace)
    assert "went apart" in fault
