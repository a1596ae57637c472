"""Paths as people write them: `~` is their home folder, and an unknown one is named."""

from pathlib import Path

import pytest

from pipeline.base.config.workspace import user_path
from pipeline.base.errors import UsageError


def test_the_home_folder_is_put_in_place(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    assert user_path("~/models/mine") == tmp_path / "models" / "mine"
    assert user_path("models/~mine") == Path("models/~mine")


def test_the_home_folder_of_nobody_is_named():
    with pytest.raises(UsageError, match=r"^~no-such-user/models begins with the home folder .*whole path"):
        user_path("~no-such-user/models")


def test_no_module_replaces_it_by_itself(root):
    found = {
        path.relative_to(root).as_posix()
        for path in (root / "pipeline").rglob("*.py")
        if ".expanduser(" in path.read_text("utf-8")
    }

    assert found == {"pipeline/base/config/workspace.py"}
