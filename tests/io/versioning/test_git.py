"""Workspaces need a git repository of their own that knows DVC; a release names the commit of the code."""

import subprocess
from pathlib import Path

import pytest

from pipeline.base.errors import NotAWorkspace
from pipeline.io.versioning.git import Git, code_version, ensure_git_and_dvc

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
