"""A workspace that can be watched: under git and DVC, with data version v1 and no release in service."""

from pathlib import Path

import pytest
import yaml
from world import TEXTS, build

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


@pytest.fixture
def places(workspace: Path, mlflow_uri: str) -> Workspace:
    """Return a workspace under git and DVC with data version v1 and no release in service."""
    lock = (workspace / "dvc.lock").read_bytes()
    places = build(workspace, mlflow_uri)
    (workspace / "dvc.lock").write_bytes(lock)
    params = yaml.safe_load(places.params.read_text("utf-8"))
    params["watch"] |= WATCH
    places.params.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    counts = dict.fromkeys(SPLITS, 0) | {"test": len(TEXTS), "test/source/tweet": len(TEXTS)}
    with files.staging_dir(workspace / "data" / "splits") as staging:
        for side in SPLITS:
            parquet.write_texts(staging / f"{side}.parquet", TEXTS if side == "test" else [])
        files.write_receipt(staging, Receipt("split", counts=counts, notes={"fingerprint": "f" * 64}))
    for stage in ("validate", "split"):
        DvcCache(workspace).commit(stage)
    assert data_versions.keep_data_version(workspace, "a test").name == "v1"
    return places
