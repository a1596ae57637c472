"""Workspaces that can be watched: under git and DVC, with data version v1. Made once, and copied."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from world import TEXTS, build, serve

from pipeline.base.config import Workspace
from pipeline.base.records import SPLITS, Receipt
from pipeline.io import files, parquet
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.dvc_cache import DvcCache

WATCH = {
    "min_texts": 40,
    "overlap_texts": 100,
    "resamples": 200,
    "drift": {
        "learning_weeks": 1 / 7,
        "alarm_windows": 2,
        "of_windows": 3,
        "max_texts": 100,
        "resamples": 500,
        "examples": 3,
    },
}


def _watched(root: Path, mlflow_uri: str) -> Workspace:
    """Make a workspace with data version v1 of one that is filled."""
    lock = (root / "dvc.lock").read_bytes()
    places = build(root, mlflow_uri)
    (root / "dvc.lock").write_bytes(lock)
    params = yaml.safe_load(places.params.read_text("utf-8"))
    params["watch"] |= WATCH
    places.params.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    counts = dict.fromkeys(SPLITS, 0) | {"test": len(TEXTS), "test/source/tweet": len(TEXTS)}
    with files.staging_dir(root / "data" / "splits") as staging:
        for side in SPLITS:
            parquet.write_texts(staging / f"{side}.parquet", TEXTS if side == "test" else [])
        files.write_receipt(staging, Receipt("split", counts=counts, notes={"fingerprint": "f" * 64}))
    for stage in ("validate", "split"):
        DvcCache(root).commit(stage)
    assert data_versions.keep_data_version(root, "a test").name == "v1"
    return places


@pytest.fixture(scope="session")
def _versioned(_filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one workspace with data version v1 and no release in service."""
    root = Path(shutil.copytree(_filled, tmp_path_factory.mktemp("versioned") / "w", symlinks=True))
    _watched(root, f"sqlite:///{root}/.tonewatch/mlflow.db")
    return root


@pytest.fixture(scope="session")
def _served(
    _versioned: Path, migrated_mlflow: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], Path]:
    """Return a function that makes one workspace whose release is wrong on every n-th text."""

    @functools.cache
    def _made(wrong: int) -> Path:
        root = Path(shutil.copytree(_versioned, tmp_path_factory.mktemp("served") / "w", symlinks=True))
        serve(_with_registry(root, migrated_mlflow), wrong=wrong)
        return root

    return _made


def _with_registry(root: Path, migrated_mlflow: Path) -> Workspace:
    """Give a workspace an empty registry of its own."""
    (root / ".tonewatch").mkdir(exist_ok=True)
    shutil.copyfile(migrated_mlflow, root / ".tonewatch" / "mlflow.db")
    return _workspace(root)


def _workspace(root: Path) -> Workspace:
    home = f"sqlite:///{root}/.tonewatch"
    return Workspace(root, f"{home}/mlflow.db", f"{home}/ledger.db")


@pytest.fixture
def places(
    request: pytest.FixtureRequest,
    _versioned: Path,
    _served: Callable[[int], Path],
    migrated_mlflow: Path,
    tmp_path: Path,
) -> Workspace:
    """Return a workspace under git and DVC with data version v1, and the release of the mark `served`."""
    mark = request.node.get_closest_marker("served")
    template = _served(*mark.args) if mark else _versioned
    root = Path(shutil.copytree(template, tmp_path / "workspace", symlinks=True))
    return _workspace(root) if mark else _with_registry(root, migrated_mlflow)
