"""The texts that the champion learnt from: read from its data version, named where the split changes."""

from pathlib import Path

from structlog.testing import capture_logs

from pipeline.base.config import SplitConfig, Workspace
from pipeline.base.records import SPLITS, Receipt, TextRecord
from pipeline.io import files, parquet
from pipeline.io.learnt_texts import learnt_identity, stream_learnt_texts
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.dvc_cache import DvcCache

ROOT = Path(__file__).parents[2]
PARAMS = (ROOT / "params.yaml").read_text("utf-8")


def keep_version(root: Path) -> None:
    with files.staging_dir(root / "data" / "splits") as staging:
        for split in SPLITS:
            record = TextRecord(split, f"a text of {split}", "positive", "s", split, "en", "", "MIT")
            parquet.write_texts(staging / f"{split}.parquet", [record])
        receipt = Receipt("split", counts=dict.fromkeys(SPLITS, 1), notes={"fingerprint": "one"})
        files.write_receipt(staging, receipt)
    DvcCache(root).commit("split")
    data_versions.keep_data_version(root, "a test")


def champion(root: Path, data_version: str) -> Workspace:
    places = Workspace.of(root, {})
    ledger = Ledger(places.ledger)
    document = {"identity": data_version, "data_version": data_version, "params": PARAMS}
    name = ledger.add(document).name
    ledger.move(expected=ledger.champion(), target=name, actor="ada", reason="a test")
    return places


def test_training_and_validation_texts_of_the_champion_are_read(workspace: Path) -> None:
    assert list(stream_learnt_texts(Workspace.of(workspace, {}))) == []
    keep_version(workspace)

    places = champion(workspace, "v1")

    assert list(stream_learnt_texts(places)) == ["a text of train", "a text of valid"]


def test_a_data_version_that_is_gone_is_a_warning(workspace: Path) -> None:
    keep_version(workspace)
    places = champion(workspace, "v9")

    with capture_logs() as events:
        assert list(stream_learnt_texts(places)) == []

    assert [(one["event"], one["log_level"], one["data_version"]) for one in events] == [
        ("learnt_texts.unread", "warning", "v9")
    ]


def test_another_salt_or_share_names_the_champions_data_version(workspace: Path) -> None:
    same: SplitConfig = load_params(ROOT / "params.yaml").split
    assert learnt_identity(Workspace.of(workspace, {}), same) == ""

    places = champion(workspace, "v1")

    assert learnt_identity(places, same) == ""
    for changed in ({"salt": "other"}, {"test": 0.2}, {"valid": 0.2}, {"near_duplicates": 0.9}):
        assert learnt_identity(places, same.model_copy(update=changed)) == "v1"
