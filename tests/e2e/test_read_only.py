"""A workspace that cannot be written is still read; a command that must write says so."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import world

from pipeline.base.config import Workspace

pytestmark = [pytest.mark.chaos, pytest.mark.surrounding("S1")]
ROOT = Path(__file__).parents[2]
# The command sees its workspace mounted read-only, whoever runs the test.
MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
READS = (
    ("release", "list"),
    ("release", "show"),
    ("release", "show", "R1"),
    ("data", "list"),
    ("predict", "word1"),
    ("release", "rollback", "--dry-run"),
)
WRITES = (
    ("release", "rollback"),
    ("release", "reconcile"),
    ("prune", "--keep", "1"),
    ("keys", "new", "--name", "shop", "--scope", "predict"),
)


def may_mount() -> bool:
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return os.getuid() == 0 and probe.returncode == 0


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, _filled: Path, migrated_mlflow: Path) -> Workspace:
    root = Path(shutil.copytree(_filled, tmp_path_factory.mktemp("read only") / "workspace", symlinks=True))
    (root / ".tonewatch").mkdir(exist_ok=True)
    shutil.copyfile(migrated_mlflow, root / ".tonewatch" / "mlflow.db")
    places = world.build(root, f"sqlite:///{root}/.tonewatch/mlflow.db")
    world.serve(places, wrong=10)
    world.serve(places, wrong=20)
    return places


def command(places: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "pipeline", *arguments, "--json", "--workspace", str(places.root)]
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", MOUNTED, str(places.root), *program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not may_mount(), reason="mounting needs root")
@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_a_command_that_only_reads_works(places: Workspace, arguments: tuple[str, ...]) -> None:
    process = command(places, *arguments)

    assert process.returncode == 0, process.stderr
    json.loads(process.stdout)


@pytest.mark.skipif(not may_mount(), reason="mounting needs root")
@pytest.mark.parametrize("arguments", WRITES, ids=" ".join)
def test_a_command_that_writes_says_why_it_cannot(places: Workspace, arguments: tuple[str, ...]) -> None:
    process = command(places, *arguments)

    assert process.returncode == 3
    assert "unexpected" not in process.stderr
    assert str(places.root) in process.stderr
    assert "mount it writable" in process.stderr


@pytest.mark.skipif(not may_mount(), reason="mounting needs root")
def test_doctor_names_a_workspace_that_can_only_be_read(places: Workspace) -> None:
    checks = {check["name"]: check for check in json.loads(command(places, "doctor").stdout)["checks"]}

    assert checks["place"]["message"].endswith("so it can only be read")
    assert checks["ledger"]["ok"]
