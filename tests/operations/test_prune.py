"""What nothing in use needs is removed; what a kept release or data version needs stays whole."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import recorded
import world

from pipeline.base.config import Workspace
from pipeline.base.errors import ChampionChanged, DigestMismatch, WorkspaceBusy
from pipeline.io import files
from pipeline.io.locks import workspace_lock
from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.io.removal import Removal
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.branch_history import Manifest
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.operations import prune as pruning
from pipeline.operations.prune import prune
from pipeline.release import promote, reconcile, verify

LOST = "0" * 64
WRONG = (5, 10, 20, 300)  # the release of each number is wrong on every n-th text, and n names its data


def commit_data(places: Workspace, fingerprint: str) -> str:
    manifest = Manifest(fingerprint, 300, {"test": 300}, {}, {}, {})
    return data_branch.commit_version(places.root, manifest, reason="a test").name


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, _filled: Path, migrated_mlflow: Path) -> Path:
    """Make a workspace with four releases that served, a rejected one, and leftovers of every kind."""
    root = Path(shutil.copytree(_filled, tmp_path_factory.mktemp("grown") / "workspace", symlinks=True))
    (root / ".tonewatch").mkdir(exist_ok=True)
    shutil.copyfile(migrated_mlflow, root / ".tonewatch" / "mlflow.db")
    places = recorded.build(root)
    for number, wrong in enumerate(WRONG, 1):
        recorded.write_split(places, f"{wrong:064x}")
        DvcCache(root).commit("split")
        assert commit_data(places, f"{wrong:064x}") == f"v{number}"
        world.candidate(places, wrong=wrong)
        for stage in ("compress", "evaluate"):
            DvcCache(root).commit(stage)
        record = world.judged(places, wrong=wrong, data_version=f"v{number}")
        assert promote.release(places, record, **world.WHO)
    assert not recorded.judge(places, wrong=8)["decision"]["accepted"]
    reconcile.reconcile(places)
    for path in (
        places.downloads / LOST,
        root / "data" / ".splits.staging-killed" / "half.parquet",
        places.releases / ".R9.staging-removed" / "model.onnx",
        places.reports / "R1.html",
        places.checkpoints / "abandoned" / "step-1" / "weights.safetensors",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    for path in (places.checkpoints / "abandoned").rglob("*"):
        os.utime(path, (0, 0))
    os.utime(places.checkpoints / "abandoned", (0, 0))
    return root


@pytest.fixture
def places(grown: Path, tmp_path: Path) -> Workspace:
    return Workspace.of(Path(shutil.copytree(grown, tmp_path / "copy", symlinks=True)), {})


def listed(root: Path) -> set[str]:
    """Return the files that may be pruned: all but locks, logs, and what DVC and git keep for themselves."""
    skipped = (".git/", ".dvc/tmp/", ".tonewatch/dvc/")
    names = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return {
        name
        for name in names
        if not name.startswith(skipped) and not name.endswith((".lock", "-wal", "-shm"))
    }


def test_a_dry_run_changes_nothing_and_lists_what_goes(places: Workspace) -> None:
    before = listed(places.root)
    planned = prune(places, keep=1, dry_run=True)
    assert listed(places.root) == before
    done = prune(places, keep=1, dry_run=False)

    assert planned["removed"] == done["removed"]
    assert planned["bytes"] == done["bytes"] > 10_000
    paths = {one["name"] for one in done["removed"] if one["kind"] != "model version"}
    left = listed(places.root)
    assert not {name for name in left for path in paths if name == path or name.startswith(f"{path}/")}
    gone = {name for name in before - left if "mlflow-artifacts" not in name}
    assert {name for name in gone if not any(name.startswith(path) for path in paths)} == set()
    kinds = {one["kind"] for one in done["removed"]}
    assert kinds == {
        *("model version", "release copy", "report", "cache object", "checkpoint", "download", "leftover"),
    } | ({"run cache"} & kinds)
    assert prune(places, keep=1, dry_run=False)["removed"] == []


def assert_kept_whole(places: Workspace, names: list[str]) -> None:
    """Roll back and forth to every kept release: models, aliases and data follow."""
    ledger = Ledger(places.ledger)
    for name in [*names, names[-1]]:
        if ledger.champion() != name:
            assert promote.rollback(places, to=name, **world.WHO).pending == ()
        record = ledger.get(name).record
        fingerprint = files.read_receipt(places.root / "data/splits").notes["fingerprint"]
        assert fingerprint == f"{WRONG[int(name[1:]) - 1]:064x}"
        with_files = places.root / f"fetched-{name}"
        with_files.mkdir()
        ModelRegistry(places.mlflow).fetch(record["model_version"], with_files, ["model.onnx"])
        assert files.sha256(with_files / "model.onnx") == record["files"]["model.onnx"]
        shutil.rmtree(with_files)
    verify.verify_releases(places, None)


@pytest.mark.chaos
@pytest.mark.surrounding("S5")
@pytest.mark.parametrize(
    ("keep", "releases", "versions"),
    [
        (1, ["R3", "R4", "R5"], ["v4", "v3"]),
        (3, ["R2", "R3", "R4", "R5"], ["v4", "v3", "v2"]),
    ],
)
def test_a_rollback_to_every_kept_release_works_afterwards(
    places: Workspace, keep: int, releases: list[str], versions: list[str]
) -> None:
    done = prune(places, keep=keep, dry_run=False)

    assert (done["releases"], done["data_versions"]) == (releases, versions)
    assert_kept_whole(places, [name for name in releases if name != "R5"])
    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        left = sorted(int(one.version) for one in client.search_model_versions("name='tonewatch'"))
    assert left == sorted(int(name[1:]) for name in releases)
    data_branch.restore(places.root, versions[-1])


def test_what_a_branch_of_the_user_names_stays(places: Workspace) -> None:
    lock = Ledger(places.ledger).get("R1").record["lock"]
    (places.root / "dvc.lock").write_text(lock)
    run = {"cwd": places.root, "check": True, "capture_output": True}
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "stash", "list"], **run)
    subprocess.run(["git", "checkout", "--quiet", "-b", "mine"], **run)
    subprocess.run(["git", "add", "--force", "dvc.lock"], **run)
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "mine"], **run)
    (places.root / "dvc.lock").write_text(Ledger(places.ledger).get("R4").record["lock"])
    prune(places, keep=1, dry_run=False)

    assert DvcCache(places.root).missing(lock) == []
    lost = Ledger(places.ledger).get("R2").record["lock"]
    assert DvcCache(places.root).missing(lost) != []


def test_a_cache_that_others_may_share_and_the_remote_are_not_touched(
    places: Workspace, tmp_path: Path
) -> None:
    shutil.copytree(places.root / ".dvc" / "cache", tmp_path / "remote")
    shutil.move(places.root / ".dvc" / "cache", tmp_path / "shared")
    (places.root / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n[cache]\n    dir = {tmp_path / 'shared'}\n"
        f"['remote \"store\"']\n    url = {tmp_path / 'remote'}\n"
    )
    before = files.folder_digests(tmp_path / "shared"), files.folder_digests(tmp_path / "remote")
    done = prune(places, keep=1, dry_run=False)

    assert not [one for one in done["removed"] if one["kind"] in ("cache object", "run cache")]
    assert (files.folder_digests(tmp_path / "shared"), files.folder_digests(tmp_path / "remote")) == before


def test_a_changed_list_of_a_folder_in_use_stops_prune(places: Workspace) -> None:
    lock = Ledger(places.ledger).get("R4").record["lock"]
    cache = places.root / ".dvc/cache/files/md5"
    digests = [line.split()[-1] for line in lock.splitlines() if line.endswith(".dir")]
    path = next(path for path in (cache / digest[:2] / digest[2:] for digest in digests) if path.is_file())
    path.chmod(0o644)
    path.write_text("[]")
    before = listed(places.root)

    with pytest.raises(DigestMismatch, match="Nothing was removed"):
        prune(places, keep=1, dry_run=False)
    assert listed(places.root) == before


def test_a_rollback_meanwhile_ends_prune_before_it_removes_what_is_needed_now(
    places: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = places.releases / "R1" / "model.onnx"

    def removals(*_: object) -> list[Removal]:
        back = Removal("a rollback", "R1", 0, lambda: promote.rollback(places, to="R1", **world.WHO))
        return [back, Removal.of_path("release copy", kept.parent, places.root)]

    monkeypatch.setattr(pruning, "_removals", removals)

    with pytest.raises(ChampionChanged):
        prune(places, keep=1, dry_run=False)
    assert Ledger(places.ledger).champion() == "R1"
    assert kept.exists()


def test_nothing_is_pruned_while_a_run_works(places: Workspace) -> None:
    with workspace_lock(places.home), pytest.raises(WorkspaceBusy):
        prune(places, keep=1, dry_run=False)


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.base.config import Workspace
from pipeline.operations import prune as pruning

left = int(sys.argv[2])
planned = pruning._removals

def removals(*arguments):
    found = list(planned(*arguments))
    sys.addaudithook(count)
    return found

def count(name, arguments):
    global left
    if name in ("os.remove", "os.rename", "os.rmdir"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

pruning._removals = removals
pruning.prune(Workspace.of(Path(sys.argv[1]), {}), keep=1, dry_run=False)
"""


@pytest.mark.chaos
@pytest.mark.surrounding("S5")
@pytest.mark.parametrize("point", [0, 2, 9, 30])
def test_a_killed_prune_leaves_the_kept_releases_whole(places: Workspace, point: int) -> None:
    command = [sys.executable, "-c", KILLED, str(places.root), str(point)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr

    prune(places, keep=1, dry_run=False)
    assert prune(places, keep=1, dry_run=False)["removed"] == []
    assert_kept_whole(places, ["R3", "R4"])
