"""Folders that DVC linked into its own cache are accepted once their bytes were checked; others are not."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.base.errors import DigestMismatch
from pipeline.io import files
from pipeline.io.versioning.dvc_cache import DvcCache

Leave = Callable[[Path, str, str], None]
TYPES = (
    "copy",
    "symlink",
    *(
        pytest.param(kind, marks=pytest.mark.slow)
        for kind in ("hardlink", "reflink,copy", "hardlink,symlink")
    ),
)


def set_cache(root: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "config", *words], cwd=root, check=True, capture_output=True)


def relinked(root: Path, leave: Leave) -> Path:
    """Record other data, then restore the earlier ones from the cache, which links them."""
    before = (root / "dvc.lock").read_text("utf-8")
    leave(root, "split", "split 2")
    DvcCache(root).commit("split")
    DvcCache(root).restore(before)
    return root / "data" / "splits"


@pytest.mark.parametrize("kind", TYPES)
def test_restored_folders_are_right_whatever_the_cache_type(workspace: Path, leave: Leave, kind: str) -> None:
    set_cache(workspace, "cache.type", kind)
    folder = relinked(workspace, leave)

    assert files.verified_receipt(folder, made_by="split").notes["fingerprint"] == "split 1"
    assert (folder / "content.txt").is_symlink() is (kind == "symlink")
    assert DvcCache(workspace).unchanged("split")


@pytest.mark.parametrize("kind", TYPES)
def test_a_stage_never_writes_through_a_link_into_the_cache(workspace: Path, leave: Leave, kind: str) -> None:
    set_cache(workspace, "cache.type", kind)
    relinked(workspace, leave)
    before = files.folder_digests(workspace / ".dvc" / "cache" / "files")
    leave(workspace, "split", "split 3")

    assert files.folder_digests(workspace / ".dvc" / "cache" / "files") == before
    assert (workspace / "data/splits/content.txt").read_text() == "split 3"


def test_a_cache_elsewhere_is_the_workspaces_own_too(workspace: Path, leave: Leave, tmp_path: Path) -> None:
    shutil.move(workspace / ".dvc" / "cache", tmp_path / "shared")
    set_cache(workspace, "cache.dir", str(tmp_path / "shared"))
    set_cache(workspace, "cache.type", "symlink")
    folder = relinked(workspace, leave)

    assert (folder / "content.txt").resolve().is_relative_to(tmp_path / "shared")
    files.verified_receipt(folder, made_by="split")


def test_a_changed_object_behind_a_link_is_refused(workspace: Path, leave: Leave) -> None:
    set_cache(workspace, "cache.type", "symlink")
    folder = relinked(workspace, leave)
    target = (folder / "content.txt").resolve()
    target.chmod(0o644)
    target.write_text("split !")

    with pytest.raises(DigestMismatch):
        files.verified_receipt(folder, made_by="split")


def outside(path: Path, tmp_path: Path) -> None:
    """Link to a file that is named like an object of a cache, and is in none of this workspace."""
    target = tmp_path / "files" / "md5" / path.resolve().parent.name / path.resolve().name
    target.parent.mkdir(parents=True)
    shutil.copyfile(path, target)
    path.unlink()
    path.symlink_to(target)


def misnamed(path: Path, tmp_path: Path) -> None:
    """Link to a file with the right bytes in the cache that is no object."""
    target = path.resolve().with_name("copy")
    shutil.copyfile(path, target)
    path.unlink()
    path.symlink_to(target)


@pytest.mark.parametrize("relink", [outside, misnamed])
def test_another_link_is_refused_though_the_bytes_are_right(
    workspace: Path, leave: Leave, tmp_path: Path, relink: Callable[[Path, Path], None]
) -> None:
    set_cache(workspace, "cache.type", "symlink")
    folder = relinked(workspace, leave)
    relink(folder / "content.txt", tmp_path)

    with pytest.raises(DigestMismatch, match="is a symbolic link"):
        files.verified_receipt(folder, made_by="split")


def test_a_copy_links_into_its_own_cache_after_the_next_run(
    workspace: Path, leave: Leave, tmp_path: Path
) -> None:
    set_cache(workspace, "cache.type", "symlink")
    relinked(workspace, leave)
    copy = Path(shutil.copytree(workspace, tmp_path / "copy", symlinks=True))
    assert (copy / "data/splits/content.txt").resolve().is_relative_to(workspace)

    assert DvcCache(copy).unchanged("split")
    files.verified_receipt(copy / "data" / "splits", made_by="split")
    assert (copy / "data/splits/content.txt").resolve().is_relative_to(copy)


def test_a_moved_workspace_is_linked_again_by_the_next_run(
    workspace: Path, leave: Leave, tmp_path: Path
) -> None:
    set_cache(workspace, "cache.type", "symlink")
    relinked(workspace, leave)
    moved = tmp_path / "moved here"
    workspace.rename(moved)

    assert DvcCache(moved).unchanged("split")
    files.verified_receipt(moved / "data" / "splits", made_by="split")
