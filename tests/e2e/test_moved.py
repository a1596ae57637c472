"""A workspace is moved and copied between runs, with links into DVC's cache and a path of all characters."""

import shutil
import sqlite3
from pathlib import Path

import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.surrounding("S1"), pytest.mark.timeout(900)]


def mentions(root: Path, place: str) -> list[str]:
    """Return the columns of MLflow's database that hold a place."""
    found = set()
    with sqlite3.connect(root / ".tonewatch" / "mlflow.db") as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            for row in database.execute(f"SELECT * FROM {table}").fetchall():
                found |= {
                    f"{table}.{name}" for name, value in zip(names, row, strict=True) if place in str(value)
                }
    return sorted(found)


def test_a_moved_and_a_copied_workspace_work_and_leave_the_old_place_alone(
    new_workspace, tiny, tmp_path, environment
):
    before, after, copy = tmp_path / "vorher & 50%", tmp_path / "spätér #1", tmp_path / "copy"
    run = new_workspace(before)
    (before / ".dvc" / "config").write_text("[core]\n    analytics = false\n[cache]\n    type = symlink\n")
    first = run("run", *tiny)
    assert first.code == 0, first.err
    before.rename(after)

    moved = type(run)(after, environment)
    second = moved("run", "--set", "seed=21")
    assert second.code == 0, second.err
    assert not before.exists()
    assert mentions(after, "vorher") == []
    rolled = moved("release", "rollback")
    assert (rolled.code, rolled.json["to"], rolled.json["pending"]) == (0, "R1", []), rolled.err
    assert moved("release", "verify").code == 0
    assert moved("predict", "a lovely film").code == 0

    shutil.copytree(after, copy, symlinks=True)
    shutil.rmtree(copy / ".tonewatch" / "releases")
    digests = {
        path: path.read_bytes() for path in (after / ".tonewatch" / "mlflow-artifacts").rglob("*.onnx")
    }
    copied = type(run)(copy, environment)
    back = copied("release", "rollback")
    assert (back.code, back.json["to"], back.json["pending"]) == (0, "R2", []), back.err
    assert copied("run").code == 0
    assert mentions(copy, "spät") == []
    assert {path: path.read_bytes() for path in digests} == digests
    assert moved("release", "list").json[0]["to"] == "R1"
    assert not [
        path for path in (copy / "data").rglob("*") if path.is_symlink() and after in path.resolve().parents
    ]
