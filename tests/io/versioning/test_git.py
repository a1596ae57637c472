"""Workspaces need a git repository of their own that knows DVC; a release names the commit of the code."""

import os
import shlex
import socket
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.base.errors import NotAWorkspace
from pipeline.io.versioning.git import Git, GitRefused, code_version, ensure_git_and_dvc

ROOT = Path(__file__).resolve().parents[3]


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout


def test_a_folder_outside_git_is_refused_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(NotAWorkspace, match=f"git init {tmp_path}"):
        ensure_git_and_dvc(tmp_path)


def test_a_folder_inside_another_repository_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "inner").mkdir()

    with pytest.raises(NotAWorkspace, match="need a repository of their own"):
        ensure_git_and_dvc(tmp_path / "inner")


def test_a_repository_without_dvc_is_refused_with_what_to_type(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")

    with pytest.raises(NotAWorkspace, match="Type `dvc init`"):
        ensure_git_and_dvc(tmp_path)


def test_the_code_version_is_the_commit_of_the_checkout() -> None:
    assert code_version().rstrip("+") == (Git(ROOT).commit_of("HEAD") or code_version())


@pytest.mark.skipif(os.getuid() != 0, reason="giving a folder away needs root")
def test_a_repository_of_another_user_is_refused_with_what_to_type(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    for path in (workspace, workspace / ".git"):
        os.chown(path, 65534, 65534)

    with pytest.raises(NotAWorkspace, match="belongs to another user") as refusal:
        ensure_git_and_dvc(workspace)
    advice = str(refusal.value).partition("`")[2].partition("`")[0]
    subprocess.run(shlex.split(advice), check=True)
    ensure_git_and_dvc(workspace)


def test_a_remote_that_never_answers_is_given_up_in_time(workspace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/data.git"
        started = time.monotonic()

        with pytest.raises(GitRefused, match="no answer within 1 s"):
            Git(workspace).run("ls-remote", address, seconds=1)
    assert time.monotonic() - started < 5
