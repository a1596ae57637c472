"""A workspace has an id that outlives a move and that no copy shares."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.base.config import Workspace
from pipeline.base.errors import Fault
from pipeline.io.workspace_id import FILE, name_model, workspace_identity


def at(root: Path) -> Workspace:
    root.mkdir(exist_ok=True)
    return Workspace.of(root, {})


def test_the_id_is_made_once_by_whoever_asks_first(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = {one.id for one in pool.map(workspace_identity, [at(tmp_path)] * 16)}

    assert len(ids) == 1
    assert workspace_identity(at(tmp_path)).id in ids


def test_a_moved_workspace_keeps_its_id_and_its_model(tmp_path: Path) -> None:
    before = workspace_identity(at(tmp_path / "Süß & 50%"))
    name_model(at(tmp_path / "Süß & 50%"), before.own_model)
    (tmp_path / "Süß & 50%").rename(tmp_path / "later")

    after = workspace_identity(at(tmp_path / "later"))
    assert (after.id, after.model, after.former) == (before.id, f"tonewatch-s-50-{before.id[:6]}", ())
    assert after.root == str(tmp_path / "later")


def test_a_copy_gets_an_id_of_its_own_and_knows_the_original(tmp_path: Path) -> None:
    original = workspace_identity(at(tmp_path / "original"))
    name_model(at(tmp_path / "original"), original.own_model)
    shutil.copytree(tmp_path / "original", tmp_path / "copy")

    copy = workspace_identity(at(tmp_path / "copy"))
    assert copy.id != original.id
    assert (copy.former, copy.model) == ((original.id,), None)
    assert copy.made(original.id)
    assert not workspace_identity(at(tmp_path / "original")).made(copy.id)
    assert workspace_identity(at(tmp_path / "copy")) == copy


def test_a_link_to_a_workspace_is_the_workspace(tmp_path: Path) -> None:
    identity = workspace_identity(at(tmp_path / "real"))
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert workspace_identity(Workspace.of(tmp_path / "link", {})) == identity


def test_the_name_of_a_model_never_changes(tmp_path: Path) -> None:
    assert name_model(at(tmp_path), "tonewatch-a") == "tonewatch-a"
    assert name_model(at(tmp_path), "tonewatch-b") == "tonewatch-a"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    workspace_identity(at(tmp_path))
    (tmp_path / ".tonewatch" / FILE).write_text("{")

    with pytest.raises(Fault, match=r"workspace\.json is damaged.*restore it"):
        workspace_identity(at(tmp_path))
