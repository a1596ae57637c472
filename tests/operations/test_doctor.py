"""`tonewatch doctor`: one check of everything a workspace depends on."""

import json
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from world import build, serve

from pipeline.base.config import Workspace
from pipeline.io.locks import workspace_lock
from pipeline.operations import workspace as workspaces
from pipeline.operations.doctor import diagnose, mask_password

ROOT = Path(__file__).parents[2]


@pytest.fixture
def places(tmp_path: Path, mlflow_uri: str) -> Workspace:
    workspaces.init_workspace(tmp_path, "english")
    return build(tmp_path, mlflow_uri)


def check_named(name: str, places: Workspace) -> Any:
    return next(check for check in diagnose(places, {})["checks"] if check["name"] == name)


def test_every_check_of_a_sound_workspace_passes(places: Workspace) -> None:
    serve(places, wrong=10)

    result = diagnose(places, {})

    assert [check for check in result["checks"] if not check["ok"]] == []
    assert result["ok"] is True
    assert result["places"]["mlflow"] == places.mlflow
    assert result["versions"]["mlflow"]


def test_a_prefect_server_that_does_not_respond_is_reported(places: Workspace) -> None:
    result = diagnose(places, {"PREFECT_API_URL": "http://127.0.0.1:9/api"})

    assert result["places"]["prefect"] == "http://127.0.0.1:9/api"
    assert [check["name"] for check in result["checks"] if not check["ok"]] == ["prefect"]


def test_a_changed_copy_is_reported_with_what_to_type(places: Workspace) -> None:
    serve(places, wrong=10)
    (places.releases / "R1" / "model.onnx").write_bytes(b"!")

    assert check_named("copy", places) == {
        "name": "copy",
        "ok": False,
        "message": "the local copy of R1 is missing or changed",
        "action": "Type `tonewatch release reconcile`.",
    }


def test_a_move_that_was_not_followed_is_reported(places: Workspace) -> None:
    serve(places, wrong=10)
    (places.home / "followed.json").unlink()

    assert check_named("moves", places)["ok"] is False


def test_keys_that_others_can_read_are_reported(places: Workspace) -> None:
    places.home.mkdir(exist_ok=True)
    places.keys.write_text("{}")
    places.keys.chmod(0o644)

    assert check_named("keys", places)["action"] == f"Type `chmod 600 {places.keys}`."


def test_code_that_runs_at_each_start_of_python_is_reported(
    places: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.pth").write_text("import os\n")
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(tmp_path)])

    check = check_named("environment", places)

    assert check["ok"] is False
    assert str(tmp_path / "evil.pth") in check["message"]
    assert "remove .venv and type `make`" in check["action"]


def test_a_failed_check_does_not_hide_the_others(places: Workspace) -> None:
    places.params.write_text("nonsense: 1\n")

    result = diagnose(places, {})

    assert result["ok"] is False
    assert {check["name"]: check["ok"] for check in result["checks"]}["ledger"] is True
    assert "nonsense is not known" in check_named("params", places)["message"]


def test_the_process_working_here_is_named(places: Workspace) -> None:
    assert check_named("lock", places)["message"] == "no process is working here"
    with workspace_lock(places.home):
        process = subprocess.run(
            [sys.executable, "-m", "pipeline", "doctor", "--json", "--workspace", str(places.root)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    checks = {check["name"]: check["message"] for check in json.loads(process.stdout)["checks"]}
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
    assert mask_password(address) == shown
