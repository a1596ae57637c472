"""`tonewatch doctor`: one check of everything a workspace depends on."""

import dataclasses
import json
import shutil
import site
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import journal_fixtures
import pytest
import recorded
from world import build, serve

from pipeline.base.config import Workspace
from pipeline.io.journal.journal import Journal
from pipeline.io.locks import workspace_lock
from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.io.versioning.git import Git
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


def delete_experiment(places: Workspace) -> None:
    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        client.delete_experiment(client.get_experiment_by_name("tonewatch").experiment_id)


def delete_run(places: Workspace) -> None:
    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        client.delete_run(client.get_model_version("tonewatch", "2").run_id)


def delete_version(places: Workspace) -> None:
    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        client.delete_model_version("tonewatch", "1")


def lose_previous(places: Workspace) -> None:
    delete_version(places)
    shutil.rmtree(places.releases / "R1")


def move_alias(places: Workspace) -> None:
    ModelRegistry(places.mlflow).project("1", None)


def damage_copy(places: Workspace) -> None:
    (places.releases / "R2" / "model.onnx").write_bytes(b"!")


def change_lock(places: Workspace) -> None:
    lock = places.root / "dvc.lock"
    lock.write_text(lock.read_text().replace("nfiles: 2", "nfiles: 3"))


def change_cache(places: Workspace) -> None:
    objects = (
        path for path in (places.root / ".dvc/cache/files").rglob("*") if path.is_file() and not path.suffix
    )
    path = max(objects, key=lambda one: one.stat().st_mtime)
    path.chmod(0o644)
    path.write_bytes(b"!")


def empty_cache(places: Workspace) -> None:
    shutil.rmtree(places.root / ".dvc/cache/files")


def restore_older_ledger(places: Workspace) -> None:
    with sqlite3.connect(places.home / "ledger.db") as database:
        for trigger in ("moves_no_delete", "moves_no_update"):
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("DELETE FROM moves WHERE sequence = 2")


def journal_of_another_ledger(places: Workspace) -> None:
    entry = journal_fixtures.make_entries(1, datetime.now(UTC) - timedelta(hours=1))
    journal = Journal(places.journal, retention_days=9)
    journal.append([dataclasses.replace(entry[0], release="R7")])
    journal.close()


def move_tag(places: Workspace) -> None:
    commit = Git(places.root).commit_of("HEAD")
    Git(places.root).run("update-ref", "refs/tags/data/v3", str(commit))


def forget_move(places: Workspace) -> None:
    (places.home / "followed.json").unlink()


def open_keys(places: Workspace) -> None:
    places.keys.write_text("{}")
    places.keys.chmod(0o644)


def remove_repository(places: Workspace) -> None:
    shutil.rmtree(places.root / ".git")


FAULTS: dict[Callable[[Workspace], None], tuple[str, str]] = {
    delete_experiment: ("experiment", "the experiment tonewatch was deleted"),
    delete_run: ("experiment", "the run of R2 (version 2) was deleted"),
    delete_version: ("aliases", "previous = R1 registered again"),
    lose_previous: ("previous", "the model of R1 is neither in"),
    move_alias: ("aliases", "change from champion = version 1"),
    damage_copy: ("copy", "the local copy of R2 is missing or changed"),
    change_lock: ("data", "dvc.lock and the data become those of R2"),
    change_cache: ("data", "The DVC cache is refilled with the data of R2"),
    empty_cache: ("data", "The DVC cache is refilled with the data of R2"),
    restore_older_ledger: ("moves", "the ledger ends at move 1"),
    journal_of_another_ledger: ("journal", "predictions of R7 on v1, which the ledger does not have"),
    move_tag: ("data versions", "The tag data/v3 names no data version"),
    forget_move: ("moves", "does not follow the last move"),
    open_keys: ("keys", "can be read by others"),
    remove_repository: ("git and DVC", "Data versions are kept in git"),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, _filled: Path, migrated_mlflow: Path) -> Path:
    """Make a workspace with two recorded releases once; each fault is planted in a copy of it."""
    root = Path(shutil.copytree(_filled, tmp_path_factory.mktemp("sound") / "workspace", symlinks=True))
    (root / ".tonewatch").mkdir(exist_ok=True)
    shutil.copyfile(migrated_mlflow, root / ".tonewatch" / "mlflow.db")
    places = recorded.build(root)
    recorded.serve(places, wrong=10)
    recorded.serve(places, wrong=20)
    return root


@pytest.mark.chaos
@pytest.mark.surrounding("S3")
@pytest.mark.parametrize("plant", FAULTS, ids=[plant.__name__ for plant in FAULTS])
def test_doctor_finds_a_planted_fault(
    sound: Path, tmp_path: Path, plant: Callable[[Workspace], None]
) -> None:
    root = Path(shutil.copytree(sound, tmp_path / "copy", symlinks=True))
    places = Workspace.of(root, {})
    plant(places)

    name, sentence = FAULTS[plant]
    check = check_named(name, places)
    assert (check["ok"], sentence in check["message"]) == (False, True), check
    assert any(mark in check["message"] + check["action"] for mark in ("`", "TONEWATCH", "Restore")), check


def test_no_check_of_a_workspace_with_recorded_releases_fails(sound: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(sound, tmp_path / "copy", symlinks=True))

    result = diagnose(Workspace.of(root, {}), {})
    assert [check for check in result["checks"] if not check["ok"]] == []


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
