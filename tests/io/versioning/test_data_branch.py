"""Data versions in a real repository: kept beside the user's work, read by DVC, gone back to."""

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from pipeline.base.errors import DigestMismatch, Fault, UsageError
from pipeline.io.params_file import load_params
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.data_branch import DataVersion, Manifest
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.io.versioning.git import Git

Leave = Callable[[Path, str, str], None]


def manifest(fingerprint: str) -> Manifest:
    sides = {"train": 6, "valid": 2, "test": 2}
    return Manifest(fingerprint, 10, sides, {"negative": 4, "positive": 6}, {"en": 10}, {"movie": 10})


def keep(root: Path, fingerprint: str) -> DataVersion:
    return data_branch.commit_version(root, manifest(fingerprint), reason="a test")


def new_data(root: Path, leave: Leave, content: str) -> None:
    leave(root, "split", content)
    DvcCache(root).commit("split")


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout


def splits(root: Path) -> str:
    return (root / "data/splits/content.txt").read_text()


def recorded(root: Path) -> list[str]:
    return list(yaml.safe_load((root / "dvc.lock").read_text())["stages"])


def cached(root: Path, content: str) -> Path:
    (found,) = (
        path
        for path in (root / ".dvc/cache/files").rglob("*")
        if path.is_file() and path.read_bytes() == content.encode()
    )
    return found


def test_a_version_is_a_tagged_commit_on_a_branch_of_its_own(workspace: Path) -> None:
    version = keep(workspace, "split 1")

    assert (version.name, version.parent, version.rows, version.reason) == ("v1", None, 10, "a test")
    assert git(workspace, "rev-parse", "data/main", "data/v1").split() == [version.commit] * 2
    assert git(workspace, "ls-tree", "-r", "--name-only", "data/v1").split() == [
        ".dvc/.gitignore",
        ".dvc/config",
        "data/manifest.json",
        "dvc.lock",
        "dvc.yaml",
        "params.yaml",
    ]
    assert list(yaml.safe_load(git(workspace, "show", "data/v1:dvc.lock"))["stages"]) == [
        "collect",
        "clean",
        "validate",
        "split",
    ]


def test_branch_index_and_work_tree_of_the_user_stay_untouched(workspace: Path) -> None:
    (workspace / "dvc.yaml").write_text((workspace / "dvc.yaml").read_text() + "# mine\n")
    (workspace / "new.txt").write_text("staged\n")
    git(workspace, "add", "dvc.yaml", "new.txt")
    (workspace / "new.txt").write_text("and changed again\n")
    before = (
        git(workspace, "status", "--porcelain=v2", "--branch"),
        git(workspace, "diff", "--cached"),
        git(workspace, "diff"),
    )

    keep(workspace, "split 1")

    assert (
        git(workspace, "status", "--porcelain=v2", "--branch"),
        git(workspace, "diff", "--cached"),
        git(workspace, "diff"),
    ) == before


def test_a_version_needs_no_git_configuration_and_runs_no_hook(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(workspace / ".git")
    git(workspace, "init", "--quiet")
    hook = workspace / ".git/hooks/reference-transaction"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    for name, value in {
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    # As git sets it inside a hook of another repository.
    monkeypatch.setenv("GIT_DIR", "/nonexistent/.git")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent/index")

    assert keep(workspace, "split 1").name == "v1"
    assert Git(workspace).commit_of("HEAD") is None


def test_equal_content_makes_no_new_version(workspace: Path) -> None:
    first = keep(workspace, "split 1")

    assert keep(workspace, "split 1") == first
    assert data_branch.list_versions(workspace) == (first,)


def test_other_content_is_the_next_version_and_old_content_the_old_one(workspace: Path, leave: Leave) -> None:
    first = keep(workspace, "split 1")
    new_data(workspace, leave, "split 2")

    second = keep(workspace, "split 2")

    assert (second.name, second.parent) == ("v2", "v1")
    assert keep(workspace, "split 1") == first
    assert [version.name for version in data_branch.list_versions(workspace)] == ["v2", "v1"]


def test_data_that_are_not_recorded_are_not_committed(workspace: Path, leave: Leave) -> None:
    leave(workspace, "split", "split 2")

    with pytest.raises(Fault, match=r"differ from dvc\.lock"):
        keep(workspace, "split 2")


def test_concurrent_calls_commit_one_version(workspace: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from pipeline.io.versioning.data_branch import Manifest, commit_version\n"
        "manifest = Manifest('split 1', 1, {}, {}, {}, {})\n"
        "print(commit_version(Path(sys.argv[1]), manifest, reason='race').commit)"
    )
    commands = [[sys.executable, "-c", program, str(workspace)]] * 3

    with ThreadPoolExecutor() as pool:
        said = list(
            pool.map(
                lambda command: subprocess.run(command, capture_output=True, text=True, check=True).stdout,
                commands,
            )
        )

    assert len(set(said)) == 1
    assert [version.name for version in data_branch.list_versions(workspace)] == ["v1"]


def test_a_concurrent_second_version_gets_the_next_number(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move, others = Git.move, []

    def late(self: Git, updates: tuple[str, ...]) -> None:
        # Somebody else is quicker, once, between our reading and our writing.
        monkeypatch.setattr(Git, "move", move)
        others.append(data_branch.commit_version(workspace, manifest("theirs"), reason="quicker"))
        move(self, updates)

    monkeypatch.setattr(Git, "move", late)

    ours = keep(workspace, "ours")

    assert [(others[0].name, others[0].parent), (ours.name, ours.parent)] == [("v1", None), ("v2", "v1")]


def test_a_commit_killed_before_the_branch_moved_is_repeated(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Git, updates: tuple[str, ...]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Git, "move", killed)
        with pytest.raises(KeyboardInterrupt):
            keep(workspace, "split 1")
    assert data_branch.list_versions(workspace) == ()

    assert keep(workspace, "split 1").name == "v1"


def test_a_missing_tag_is_restored(workspace: Path) -> None:
    version = keep(workspace, "split 1")
    git(workspace, "tag", "--delete", "data/v1")

    assert keep(workspace, "split 1") == version
    assert git(workspace, "rev-parse", "data/v1").strip() == version.commit


def test_a_clone_continues_from_the_tags(workspace: Path, leave: Leave, tmp_path: Path) -> None:
    keep(workspace, "split 1")
    shutil.copytree(workspace, tmp_path / "clone")
    git(tmp_path / "clone", "update-ref", "-d", "refs/heads/data/main")
    new_data(tmp_path / "clone", leave, "split 2")

    assert keep(tmp_path / "clone", "split 2").name == "v2"


def test_a_refusal_of_git_is_reported_with_its_message(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_branch, "ATTEMPTS", 2)
    git(workspace, "branch", "data")

    with pytest.raises(Fault, match=r"could not be committed.*'refs/heads/data' exists"):
        keep(workspace, "split 1")


def test_restore_checks_out_data_lock_and_pin(workspace: Path, leave: Leave) -> None:
    keep(workspace, "split 1")
    new_data(workspace, leave, "split 2")
    keep(workspace, "split 2")

    data_branch.restore(workspace, "v1")

    assert splits(workspace) == "split 1"
    assert load_params(workspace / "params.yaml").data.version == "v1"
    assert recorded(workspace) == ["identity", "collect", "clean", "validate", "split"]
    assert DvcCache(workspace).unchanged("split")
    assert not DvcCache(workspace).unchanged("pretrain")
    assert DvcCache(workspace).restored("pretrain")
    assert data_branch.holds_version(workspace, data_branch.version_of(workspace, "v1"))
    assert not data_branch.holds_version(workspace, data_branch.version_of(workspace, "v2"))


def test_a_killed_restore_is_finished_by_the_same_call(
    workspace: Path, leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(workspace, "split 1")
    new_data(workspace, leave, "split 2")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DvcCache, "_check_out", killed)
        with pytest.raises(KeyboardInterrupt):
            data_branch.restore(workspace, "v1")
    # The pin stands already, so a run that comes next takes the folders out too.
    assert (splits(workspace), load_params(workspace / "params.yaml").data.version) == ("split 2", "v1")

    data_branch.restore(workspace, "v1")

    assert (splits(workspace), load_params(workspace / "params.yaml").data.version) == ("split 1", "v1")


def test_a_changed_cache_object_stops_restore_before_any_change(workspace: Path, leave: Leave) -> None:
    keep(workspace, "split 1")
    new_data(workspace, leave, "split 2")
    bad = cached(workspace, "split 1")
    bad.chmod(0o644)
    bad.write_text("split I")
    bad.chmod(0o444)
    before = (workspace / "dvc.lock").read_text()

    with pytest.raises(DigestMismatch, match=str(bad)):
        data_branch.restore(workspace, "v1")

    assert ((workspace / "dvc.lock").read_text(), splits(workspace)) == (before, "split 2")
    assert load_params(workspace / "params.yaml").data.version == "newest"


def test_a_lock_is_restored_exactly_with_every_folder(workspace: Path, leave: Leave) -> None:
    before = (workspace / "dvc.lock").read_text()
    for stage in ("split", "compress", "evaluate"):
        leave(workspace, stage, f"{stage} 2")
        DvcCache(workspace).commit(stage)
    assert (workspace / "dvc.lock").read_text() != before

    data_branch.restore_lock(workspace, before)

    assert (workspace / "dvc.lock").read_text() == before
    assert [
        (workspace / "data" / name / "content.txt").read_text()
        for name in ("splits", "candidate", "evaluation")
    ] == [
        "split 1",
        "compress 1",
        "evaluate 1",
    ]


def test_an_unknown_version_is_refused_with_the_known_ones(workspace: Path) -> None:
    keep(workspace, "split 1")

    with pytest.raises(UsageError, match=r"no data version 'v7' \(known: v1\)"):
        data_branch.restore(workspace, "v7")


def test_plain_values_begin_with_the_name(workspace: Path) -> None:
    version = keep(workspace, "split 1")

    assert next(iter(version.as_dict())) == "name"
    assert version.as_dict() == dataclasses.asdict(version)


def test_dvc_get_diff_and_open_read_a_version(
    workspace: Path, leave: Leave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dvc.api

    keep(workspace, "split 1")
    new_data(workspace, leave, "split 2")
    keep(workspace, "split 2")
    dvc_ = [sys.executable, "-m", "dvc"]

    subprocess.run(
        [*dvc_, "get", ".", "data/splits", "--rev", "data/v1", "-o", str(tmp_path / "got")],
        cwd=workspace,
        check=True,
    )
    diff = subprocess.run(
        [*dvc_, "diff", "data/v1", "data/v2", "--json"],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=True,
    )
    monkeypatch.chdir(workspace)
    with dvc.api.open("data/splits/content.txt", rev="data/v1") as file:
        read = file.read()

    assert (tmp_path / "got/content.txt").read_text() == "split 1"
    assert [change["path"] for change in yaml.safe_load(diff.stdout)["modified"]] == [
        "data/splits/",
        "data/splits/content.txt",
        "data/splits/receipt.json",
    ]
    assert read == "split 1"
