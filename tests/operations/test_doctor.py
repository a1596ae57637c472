"""One look at everything a workspace stands on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from world import build, serve

from pipeline.base.config import Workspace
from pipeline.io.locks import workspace_lock
from pipeline.operations import workspace as workspaces
from pipeline.operations.doctor import examine, without_password

ROOT = Path(__file__).parents[2]


@pytest.fixture
def places(tmp_path: Path, mlflow_uri: str) -> Workspace:
    workspaces.init_workspace(tmp_path, "english")
    return build(tmp_path, mlflow_uri)


def found(places: Workspace, name: str) -> dict[str, Any]:
    return next(check for check in examine(places, {})["checks"] if check["name"] == name)


def test_a_sound_workspace_is_told_to_be_sound(places: Workspace) -> None:
    serve(places, wrong=10)

    seen = examine(places, {})

    assert [check for check in seen["checks"] if not check["ok"]] == []
    assert seen["ok"] is True
    assert seen["places"]["mlflow"] == places.mlflow
    assert seen["versions"]["mlflow"]


def test_a_prefect_server_that_does_not_answer_is_found(places: Workspace) -> None:
    seen = examine(places, {"PREFECT_API_URL": "http://127.0.0.1:9/api"})

    assert seen["places"]["prefect"] == "http://127.0.0.1:9/api"
    assert [check["name"] for check in seen["checks"] if not check["ok"]] == ["prefect"]


def test_a_changed_copy_is_found_with_what_to_type(places: Workspace) -> None:
    serve(places, wrong=10)
    (places.releases / "R1" / "model.onnx").write_bytes(b"!")

    assert found(places, "copy") == {
        "name": "copy",
        "ok": False,
        "told": "the local copy of R1 is missing or changed",
        "do": "Type `tonewatch release reconcile`.",
    }


def test_a_move_that_was_not_followed_is_found(places: Workspace) -> None:
    serve(places, wrong=10)
    (places.home / "followed.json").unlink()

    assert found(places, "moves")["ok"] is False


def test_keys_that_others_can_read_are_found(places: Workspace) -> None:
    places.home.mkdir(exist_ok=True)
    places.keys.write_text("{}")
    places.keys.chmod(0o644)

    assert found(places, "keys")["do"] == f"Type `chmod 600 {places.keys}`."


def test_a_broken_part_does_not_hide_the_others(places: Workspace) -> None:
    places.params.write_text("nonsense: 1\n")

    seen = examine(places, {})

    assert seen["ok"] is False
    assert {check["name"]: check["ok"] for check in seen["checks"]}["ledger"] is True
    assert "nonsense is not known" in found(places, "params")["told"]


def test_who_works_here_is_named(places: Workspace) -> None:
    assert found(places, "lock")["told"] == "nobody works here now"
    with workspace_lock(places.home):
        told = subprocess.run(
            [sys.executable, "-m", "pipeline", "doctor", "--json", "--workspace", str(places.root)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    checks = {check["name"]: check["told"] for check in json.loads(told.stdout)["checks"]}
    assert checks["lock"].startswith("process ")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql+psycopg://ada:secret@db/tonewatch", "postgresql+psycopg://ada:***@db/tonewatch"),
        ("sqlite:////x/ledger.db", "sqlite:////x/ledger.db"),
        ("http://ada@mlflow", "http://ada@mlflow"),
    ],
)
def test_a_password_is_not_shown(address: str, shown: str) -> None:
    assert without_password(address) == shown
