"""Moves of the champion beside other workspaces, deleted objects and restored backups."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import recorded
import world
import yaml

from pipeline.__main__ import run_command
from pipeline.base.config import Workspace
from pipeline.base.errors import Fault
from pipeline.io import files
from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.release import promote, reconcile
from pipeline.release.register import prepare_registry

pytestmark = [pytest.mark.chaos, pytest.mark.surrounding("S3")]


@pytest.fixture
def empty(mlflow_uri: str) -> Path:
    return Path(mlflow_uri.removeprefix("sqlite:///"))


@pytest.fixture
def places(workspace: Path, empty: Path) -> Workspace:
    (workspace / ".tonewatch").mkdir(exist_ok=True)
    shutil.copyfile(empty, workspace / ".tonewatch" / "mlflow.db")
    return recorded.build(workspace)


@pytest.fixture
def neighbours(tmp_path: Path, empty: Path) -> tuple[Workspace, Workspace]:
    """Return two workspaces with a ledger each and one MLflow."""
    shared = tmp_path / "shared" / "mlflow.db"
    shared.parent.mkdir()
    shutil.copyfile(empty, shared)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    a, b = (world.build(tmp_path / name, f"sqlite:///{shared}") for name in ("a", "b"))
    return a, b


def aliases(places: Workspace) -> dict[str, str]:
    return open_registry(places).aliases()


def test_two_workspaces_on_one_mlflow_leave_each_other_alone(
    neighbours: tuple[Workspace, Workspace],
) -> None:
    a, b = neighbours
    for wrong in (10, 20):
        world.serve(a, wrong=wrong)
        world.serve(b, wrong=wrong)
    promote.rollback(a, to=None, **world.WHO)

    assert open_registry(a).name != open_registry(b).name
    assert aliases(a) == {"champion": "1", "previous": "2"}
    assert aliases(b) == {"champion": "2", "previous": "1"}
    assert reconcile.reconcile(a) == reconcile.reconcile(b) == []
    with mlflow_tracking.mlflow_at(a.mlflow) as client:
        names = {experiment.name for experiment in client.search_experiments()}
        assert {"Default", open_registry(a).name, open_registry(b).name} == names


def test_the_records_say_where_a_release_was_made(neighbours: tuple[Workspace, Workspace]) -> None:
    a, b = neighbours
    first, second = world.serve(a, wrong=10), world.serve(b, wrong=10)

    assert first["model"] == open_registry(a).name
    assert first["host"] == second["host"]
    assert first["workspace"] != second["workspace"]


def test_a_copy_has_a_model_of_its_own_in_a_shared_mlflow(
    neighbours: tuple[Workspace, Workspace], tmp_path: Path
) -> None:
    a, _ = neighbours
    world.serve(a, wrong=10)
    world.serve(a, wrong=20)
    root = Path(shutil.copytree(a.root, tmp_path / "copy"))
    copy = Workspace(root, a.mlflow, f"sqlite:///{root}/.tonewatch/ledger.db")
    promote.rollback(copy, to=None, **world.WHO)

    assert aliases(a) == {"champion": "2", "previous": "1"}
    assert Ledger(copy.ledger).champion() == "R1"
    assert aliases(copy).keys() == {"champion", "previous"}


def test_releases_of_an_earlier_version_keep_their_model(tmp_path: Path, empty: Path) -> None:
    shared = f"sqlite:///{tmp_path}/shared.db"
    shutil.copyfile(empty, tmp_path / "shared.db")
    places = world.build(tmp_path, shared)
    record = world.judged(places, wrong=10)
    # As an earlier version recorded and registered it.
    early = {key: value for key, value in record.items() if key not in ("model", "workspace", "host")}
    ledger = f"sqlite:///{tmp_path}/early.db"
    Ledger(ledger).add({k: v for k, v in early.items() if k not in ("release", "created")})
    with mlflow_tracking.mlflow_at(shared) as client:
        client.rename_registered_model(record["model"], "tonewatch")
    (places.home / "workspace.json").unlink()

    assert open_registry(Workspace(tmp_path, shared, ledger)).name == "tonewatch"
    (tmp_path / "late").mkdir()
    late = Workspace(tmp_path / "late", shared, ledger)
    assert open_registry(late).name.startswith("tonewatch-late-")  # the model is taken


def test_another_workspace_on_the_same_ledger_keeps_its_data_and_params(
    neighbours: tuple[Workspace, Workspace],
) -> None:
    a, b = neighbours
    b = Workspace(b.root, b.mlflow, a.ledger)
    world.serve(b, wrong=10)
    world.set_gate(a, champion_margin=0.007)
    (a.root / "dvc.lock").write_text("stages: {} # of a\n")
    world.serve(a, wrong=20)
    params, lock = b.params.read_text(), (b.root / "dvc.lock").read_text()

    (said,) = [one for one in reconcile.finish_interrupted_move(b) if "made in another workspace" in one]
    assert "R2" in said
    assert (b.params.read_text(), (b.root / "dvc.lock").read_text()) == (params, lock)
    files.verify_folder(b.releases / "R2", Ledger(b.ledger).get("R2").record["files"])
    assert aliases(b) == {"previous": "1"}  # R2 is no version of this model
    assert aliases(a) == {"champion": "1"}
    assert reconcile.finish_interrupted_move(b) == []


def delete_experiment(places: Workspace) -> None:
    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        client.delete_experiment(client.get_experiment_by_name(open_registry(places).name).experiment_id)


def delete_version(places: Workspace) -> None:
    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        client.delete_model_version(open_registry(places).name, "1")


def delete_model(places: Workspace) -> None:
    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        client.delete_registered_model(open_registry(places).name)


def rename_model(places: Workspace) -> None:
    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        client.rename_registered_model(open_registry(places).name, "something-else")


def delete_run(places: Workspace) -> None:
    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        name = open_registry(places).name
        client.delete_run(client.get_model_version(name, "1").run_id)


DELETIONS = [delete_experiment, delete_version, delete_model, rename_model, delete_run]


@pytest.mark.parametrize("delete", DELETIONS)
def test_what_was_deleted_in_mlflow_is_there_again(
    tmp_path: Path, mlflow_uri: str, delete: Callable[[Workspace], None]
) -> None:
    places = world.build(tmp_path, mlflow_uri)
    world.serve(places, wrong=10)
    world.serve(places, wrong=20)
    delete(places)

    prepare_registry(places)  # what a run does before it trains
    moved = promote.rollback(places, to=None, **world.WHO)
    assert moved.pending == ()
    champion = aliases(places)["champion"]
    (tmp_path / "fetched").mkdir()
    names = ["model.onnx", "model.json"]
    ModelRegistry(places.mlflow).fetch(champion, tmp_path / "fetched", names)
    digests = files.folder_digests(tmp_path / "fetched")
    record = Ledger(places.ledger).get("R1").record
    assert digests == {name: record["files"][name] for name in names}
    better = world.serve(places, wrong=40)
    assert aliases(places)["champion"] == better["model_version"]
    assert reconcile.reconcile(places) == []


def objects(places: Workspace, release: str) -> set[Path]:
    """Return the cache objects that the data and models of a release need."""
    lock = yaml.safe_load(Ledger(places.ledger).get(release).record["lock"])
    names = [out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", ())]
    with DvcCache(places.root).opened() as repo:
        path_of = repo.cache.local.oid_to_path
        # The out of `identity` is recorded and not cached.
        folders = {path for path in (Path(path_of(name)) for name in names) if path.is_file()}
        entries = [entry["md5"] for folder in folders for entry in files.read_json(folder)]
        return folders | {Path(path_of(entry)) for entry in entries}


def gone(places: Workspace, release: str) -> list[Path]:
    """Set aside what only this release needs of the cache, as `dvc gc` removes it; return the objects."""
    other = {"R1": "R2", "R2": "R1"}[release]
    removed = sorted(objects(places, release) - objects(places, other))
    for path in removed:
        path.rename(path.with_suffix(".backup"))
    assert removed
    return removed


def put_back(removed: list[Path]) -> None:
    for path in removed:
        path.with_suffix(".backup").rename(path)


def test_a_rollback_says_which_data_stay_behind_and_reconcile_brings_them_back(places: Workspace) -> None:
    recorded.serve(places, wrong=10)
    recorded.serve(places, wrong=20)
    removed = gone(places, "R1")

    preview = promote.preview_move(places, None, back=True)
    assert [one.startswith("The data of R1 (v10) stay behind") for one in preview["pending"]] == [True]
    moved = promote.rollback(places, to=None, **world.WHO)
    assert list(moved.pending) == preview["pending"]
    assert Ledger(places.ledger).champion() == "R1"
    assert aliases(places) == {"champion": "1", "previous": "2"}
    edited = places.params.read_text() + "# an edit of a person\n"
    places.params.write_text(edited)
    assert list(reconcile.repair(places).pending) == preview["pending"]

    put_back(removed)
    assert [one.startswith("dvc.lock and the data become") for one in reconcile.reconcile(places)] == [True]
    assert reconcile.reconcile(places) == []
    receipt = files.verified_receipt(places.root / "data" / "splits", made_by="split")
    assert receipt.notes["fingerprint"] == f"{10:064x}"
    assert places.params.read_text() == edited


def test_an_emptied_cache_is_refilled_from_the_work_tree(places: Workspace) -> None:
    record = recorded.serve(places, wrong=10)
    shutil.rmtree(places.root / ".dvc" / "cache" / "files")

    (sentence,) = reconcile.reconcile(places)
    assert sentence == "The DVC cache is refilled with the data of R1 (v10) in the work tree."
    assert DvcCache(places.root).faulty(record["lock"]) == []
    assert reconcile.reconcile(places) == []


def test_data_that_only_the_dvc_remote_has_are_fetched(places: Workspace, tmp_path: Path) -> None:
    recorded.serve(places, wrong=10)
    recorded.serve(places, wrong=20)
    shutil.copytree(places.root / ".dvc" / "cache" / "files", tmp_path / "remote" / "files")
    (places.root / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {tmp_path / 'remote'}\n"
    )
    gone(places, "R1")

    assert promote.preview_move(places, None, back=True)["pending"] == []
    assert promote.rollback(places, to=None, **world.WHO).pending == ()
    receipt = files.verified_receipt(places.root / "data" / "splits", made_by="split")
    assert receipt.notes["fingerprint"] == f"{10:064x}"


def test_a_linked_cache_follows_a_rollback(places: Workspace) -> None:
    (places.root / ".dvc" / "config").write_text("[cache]\n    type = symlink\n")
    recorded.serve(places, wrong=10)
    recorded.serve(places, wrong=20)

    for name in ("R1", "R2"):
        assert promote.rollback(places, to=name, **world.WHO).pending == ()
        assert (places.root / "data" / "splits" / "note.txt").is_symlink()
    assert reconcile.reconcile(places) == []


def older_backup(places: Workspace, tmp_path: Path) -> Workspace:
    with sqlite3.connect(places.home / "ledger.db") as now, sqlite3.connect(tmp_path / "old.db") as old:
        now.backup(old)
    promote.rollback(places, to=None, **world.WHO)
    return Workspace(places.root, places.mlflow, f"sqlite:///{tmp_path}/old.db")


def empty_ledger(places: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(places.root, places.mlflow, f"sqlite:///{tmp_path}/empty.db")


@pytest.mark.parametrize(("other", "found"), [(older_backup, "ends at move 2"), (empty_ledger, "is empty")])
def test_a_ledger_that_does_not_know_the_last_move_is_not_followed(
    tmp_path: Path, mlflow_uri: str, other: Callable[[Workspace, Path], Workspace], found: str
) -> None:
    places = world.build(tmp_path, mlflow_uri)
    world.serve(places, wrong=10)
    world.set_gate(places, champion_margin=0.007)
    world.serve(places, wrong=20)
    places = other(places, tmp_path)
    before = places.params.read_text()

    with pytest.raises(Fault, match=f"the ledger {found}.*Restore the right one"):
        reconcile.finish_interrupted_move(places)
    assert places.params.read_text() == before
    reconcile.reconcile(places)
    assert reconcile.finish_interrupted_move(places) == []


def test_commands_exit_with_3_while_anything_is_pending(
    tmp_path: Path, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = world.build(tmp_path, mlflow_uri)
    world.serve(places, wrong=10)
    world.serve(places, wrong=20)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    commands = {name: ["release", name, "--workspace", str(tmp_path)] for name in ("rollback", "reconcile")}

    monkeypatch.setenv("MLFLOW_TRACKING_URI", world.DOWN)
    assert [run_command(words) for words in commands.values()] == [3, 3]
    printed = capsys.readouterr().out
    assert "R1 is in service (before: R2)" in printed
    assert printed.count("127.0.0.1:9 does not respond") == 2
    assert "type `tonewatch release reconcile`" in printed

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert [run_command(commands["reconcile"]), run_command(commands["rollback"])] == [0, 0]
