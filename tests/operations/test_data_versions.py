"""Rolling the data back walks from version to version, and a killed rollback is finished by the next."""

from pathlib import Path

import pytest

from pipeline.base.errors import NothingToRollBack
from pipeline.base.records import Receipt
from pipeline.io import files
from pipeline.io.params_file import set_param
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.data_branch import DataVersion
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.operations.data_versions import rollback_data

SPLITS = {"train": 3, "valid": 1, "test": 1}
COUNTS = {
    **SPLITS,
    "train/label/negative": 1,
    "train/label/positive": 2,
    "valid/label/positive": 1,
    "test/label/negative": 1,
    **{f"{split}/{field}": n for split, n in SPLITS.items() for field in ("lang/en", "source/movie")},
}


def keep(root: Path, fingerprint: str) -> DataVersion:
    with files.staging_dir(root / "data/splits") as staging:
        files.write_receipt(staging, Receipt("split", counts=COUNTS, notes={"fingerprint": fingerprint}))
    DvcCache(root).commit("split")
    return data_versions.keep_data_version(root, "a test")


def fingerprint(root: Path) -> str:
    return files.read_receipt(root / "data/splits").notes["fingerprint"]


def test_a_data_version_counts_its_labels_languages_and_sources(workspace: Path) -> None:
    version = keep(workspace, "one")

    assert (version.rows, version.sides, version.languages) == (5, SPLITS, {"en": 5})
    assert (version.labels, version.sources) == ({"negative": 2, "positive": 3}, {"movie": 5})


def test_rollback_walks_back_one_version_a_call(workspace: Path) -> None:
    with pytest.raises(NothingToRollBack, match="no data version yet"):
        rollback_data(workspace, None, "a test")
    first, _, third = (keep(workspace, name) for name in ("one", "two", "three"))

    assert [version.name for version in data_versions.list_versions(workspace)] == ["v3", "v2", "v1"]
    assert data_versions.show_version(workspace, None) == third
    assert [rollback_data(workspace, None, "a test").name for _ in range(2)] == ["v2", "v1"]
    with pytest.raises(NothingToRollBack, match="v1 is the first data version"):
        rollback_data(workspace, None, "a test")
    assert data_versions.keep_data_version(workspace, "again") == first


def test_a_version_is_checked_out_by_name(workspace: Path) -> None:
    keep(workspace, "one")
    second = keep(workspace, "two")
    rollback_data(workspace, "v1", "a test")

    assert data_versions.checkout_version(workspace, "v2") == second
    assert fingerprint(workspace) == "two"


@pytest.mark.chaos
def test_a_rollback_killed_after_the_pin_is_finished_by_the_next(workspace: Path) -> None:
    for name in ("one", "two", "three"):
        keep(workspace, name)
    set_param(workspace / "params.yaml", "data.version=v2")

    assert rollback_data(workspace, None, "again").name == "v2"
    assert fingerprint(workspace) == "two"
