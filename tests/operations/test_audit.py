"""The nightly audit finds, repairs and alerts on what does not hold."""

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import world

from pipeline.base.config import Workspace
from pipeline.io import alerts, locks
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.operations.audit import run_audit
from pipeline.release.verify import verify_releases

MONDAY = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def places(tmp_path):
    (tmp_path / "params.yaml").write_text((world.CHECKOUT / "params.yaml").read_text("utf-8"), "utf-8")
    return Workspace.of(tmp_path, {})


def test_a_fresh_workspace_passes_the_audit(places):
    result = run_audit(places, now=MONDAY)

    assert (result.fault, result.alerts, result.removed) == (None, (), ())


def test_an_alias_moved_by_hand_is_repaired_and_alerted_once(tmp_path: Path, mlflow_uri: str):
    places = world.build(tmp_path, mlflow_uri)
    world.serve(places, wrong=10)
    world.serve(places, wrong=20)
    run_audit(places, now=MONDAY)
    ModelRegistry(places.mlflow).project("1", None)

    first = run_audit(places, now=MONDAY + DAY)
    after = run_audit(places, now=MONDAY + 2 * DAY)

    assert "champion" in first.fault
    assert first.remaining is None
    assert first.alerts == ("Release records were repaired",)
    assert world.in_service(places)[1]["champion"] == "2"
    assert (after.fault, after.alerts) == (None, ())


def test_old_checkpoints_are_removed_but_not_while_a_run_works(places):
    for name, days in (("old", 31), ("young", 29)):
        notes = places.checkpoints / name / "step-00000004" / "notes.json"
        notes.parent.mkdir(parents=True)
        notes.write_text("{}")
        for path in (notes, notes.parent, notes.parent.parent):
            os.utime(path, times=((MONDAY - days * DAY).timestamp(),) * 2)

    with locks.workspace_lock(places.home):
        assert run_audit(places, now=MONDAY).checkpoints_removed == ()
    assert run_audit(places, now=MONDAY).checkpoints_removed == ("old",)
    assert [path.name for path in places.checkpoints.iterdir()] == ["young"]


@pytest.mark.parametrize("is_down", [False, True])
def test_old_checkpoints_are_removed_from_the_store_too(places, tmp_path, monkeypatch, is_down):
    store = tmp_path / "bucket"
    places = replace(places, training_store=f"file://{store}")
    for root in (store, places.checkpoints):
        (root / "old" / "texts-train").mkdir(parents=True)
    (store / "anothers" / "texts-train").mkdir(parents=True)
    folder = places.checkpoints / "old"
    for path in (folder / "texts-train", folder):
        os.utime(path, times=((MONDAY - 31 * DAY).timestamp(),) * 2)
    if is_down:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        places = replace(places, training_store="s3://bucket/tonewatch")

    removed = run_audit(places, now=MONDAY).checkpoints_removed

    assert is_down or not (folder / "texts-train").exists()
    assert not list(folder.glob("*"))
    assert removed == (() if is_down else ("old",))
    assert folder.exists() is is_down
    assert sorted(path.name for path in store.iterdir()) == (["anothers", "old"] if is_down else ["anothers"])


def test_a_lagging_alias_is_no_fault_while_a_run_works(tmp_path: Path, mlflow_uri: str):
    places = world.build(tmp_path, mlflow_uri)
    world.serve(places, wrong=10)
    world.serve(places, wrong=20)
    ModelRegistry(places.mlflow).project("1", None)

    with locks.workspace_lock(places.home):
        meanwhile = run_audit(places, now=MONDAY)
        assert verify_releases(places, None)["working"] == str(os.getpid())
    after = run_audit(places, now=MONDAY + DAY)

    assert (meanwhile.fault, meanwhile.alerts) == (None, ())
    assert "champion" in after.fault


def test_a_fault_that_cannot_be_repaired_is_alerted(tmp_path: Path, mlflow_uri: str):
    places = world.build(tmp_path, mlflow_uri)
    world.serve(places, wrong=10)
    copy = places.releases / "R1"
    weights = next(path for path in copy.rglob("*.onnx"))
    weights.write_bytes(weights.read_bytes() + b"x")
    # The registry has lost it too, so nothing can put it back.
    broken = Workspace(places.root, world.DOWN, places.ledger)

    result = run_audit(broken, now=MONDAY)

    assert "was changed" in result.fault
    assert result.remaining is not None
    assert result.alerts == ("Release records failed verification",)
    assert [entry.alert.kind for entry in alerts.list_outbox(places.alerts)] == ["integrity"]


def test_concurrent_audits_do_no_harm(tmp_path: Path, mlflow_uri: str):
    places = world.build(tmp_path, mlflow_uri)
    world.serve(places, wrong=10)
    faults = []

    def go():
        try:
            run_audit(places, now=MONDAY)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
