"""The files of a workspace are those of its owner; a shared workspace keeps its group."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.base.config import Workspace
from pipeline.base.private_files import keep_private
from pipeline.io import files

FOLDERS = (".tonewatch", ".tonewatch/dvc", ".dvc/cache", ".dvc/tmp", "data/raw", "data/splits")


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder).chmod(0o777)
    return Workspace.of(tmp_path, {})


def modes(workspace: Workspace) -> set[str]:
    return {f"{stat.S_IMODE((workspace.root / folder).stat().st_mode):o}" for folder in FOLDERS}


def test_folders_that_others_can_read_are_closed(workspace: Workspace) -> None:
    workspace.root.chmod(0o755)

    keep_private(workspace)

    assert modes(workspace) == {"700"}


def test_a_workspace_that_is_shared_with_its_group_stays_shared(workspace: Workspace) -> None:
    workspace.root.chmod(0o2775)

    keep_private(workspace)

    assert modes(workspace) == {"770"}


@pytest.mark.parametrize(("root", "file", "folder"), [(0o755, "600", "700"), (0o2770, "660", "770")])
def test_what_is_written_afterwards_has_the_same_access(
    workspace: Workspace, root: int, file: str, folder: str
) -> None:
    workspace.root.chmod(root)
    keep_private(workspace)

    files.write_json(workspace.root / "a.json", {})
    with files.staging_dir(workspace.root / "out") as staging:
        (staging / "text").write_text("x")

    access = {
        path: f"{stat.S_IMODE((workspace.root / path).stat().st_mode) & 0o777:o}"
        for path in ("a.json", "out", "out/text")
    }
    assert access == {"a.json": file, "out": folder, "out/text": file}


def test_every_door_closes_the_workspace_first(workspace: Workspace, tmp_path: Path, root: Path) -> None:
    workspace.root.chmod(0o755)
    (tmp_path / "params.yaml").write_bytes((root / "params.yaml").read_bytes())
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")

    command = [sys.executable, "-m", "pipeline", "release", "list", "--workspace", str(tmp_path)]
    subprocess.run(command, cwd=root, capture_output=True, check=True)

    assert modes(workspace) == {"700"}
    texts = [path for path in (tmp_path / ".tonewatch").rglob("*") if path.is_file()]
    assert texts
    assert all(path.stat().st_mode & 0o077 == 0 for path in texts)
