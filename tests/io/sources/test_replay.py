"""Texts of sources that are no longer listed are replayed from the newest data version."""

from pathlib import Path

import pytest

from pipeline.base.config import CollectConfig, ReplaySource
from pipeline.base.records import SPLITS, Receipt, TextRecord
from pipeline.io import files, parquet
from pipeline.io.params_file import load_params
from pipeline.io.sources.replay import read_replay
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.dvc_cache import DvcCache

ROOT = Path(__file__).parents[3]
SOURCE = ReplaySource(kind="replay", name="replay", max_texts=2)


@pytest.fixture
def cfg() -> CollectConfig:
    return load_params(ROOT / "params.yaml").collect


def record(number: int, source: str) -> TextRecord:
    key = f"{source}:{number}"
    return TextRecord(key, f"text {number}", "positive", source, key, "en", "", "MIT")


def keep(root: Path, records: list[TextRecord], fingerprint: str) -> None:
    sources = {f"train/source/{name}": 1 for name in {record.source for record in records}}
    with files.staging_dir(root / "data" / "splits") as staging:
        for split in SPLITS:
            parquet.write_texts(staging / f"{split}.parquet", records if split == "train" else [])
        counts = {**dict.fromkeys(SPLITS, 0), **sources}
        files.write_receipt(staging, Receipt("split", counts=counts, notes={"fingerprint": fingerprint}))
    DvcCache(root).commit("split")
    data_versions.keep_data_version(root, "a test")


def test_without_a_data_version_nothing_is_replayed(tmp_path: Path, cfg: CollectConfig) -> None:
    assert read_replay(tmp_path, SOURCE, cfg) == []


def test_a_replay_is_bounded_and_a_replay_of_it_is_the_same(workspace: Path, cfg: CollectConfig) -> None:
    keep(workspace, [record(number, source) for number in range(9) for source in ("old", "movie")], "one")
    replayed = read_replay(workspace, SOURCE, cfg)
    keep(workspace, [*replayed, record(1, "movie")], "two")

    assert [record.id for record in replayed] == ["old:5", "old:6"]
    assert [record.source for record in replayed] == ["old", "old"]
    assert read_replay(workspace, SOURCE, cfg) == replayed


def test_feedback_that_is_no_longer_listed_is_not_replayed(workspace: Path, cfg: CollectConfig) -> None:
    keep(workspace, [record(1, "feedback"), record(1, "movie")], "one")

    assert read_replay(workspace, SOURCE, cfg.model_copy(update={"sources": cfg.tables})) == []
