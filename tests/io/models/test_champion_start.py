"""The release that fine-tuning goes on from: the champion, or what that was made of on the same texts."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.base.config import Params, Workspace
from pipeline.base.errors import ConfigError, UsageError
from pipeline.base.records import SPLITS, Receipt, TextRecord
from pipeline.io import files, parquet
from pipeline.io.models.champion_start import open_start, start_identity
from pipeline.io.params_file import load_params, set_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.stages.context import StageContext

ROOT = Path(__file__).parents[3]
LABELS = ["negative", "neutral", "positive"]


@pytest.fixture
def places(workspace: Path) -> Workspace:
    shutil.copyfile(ROOT / "params.yaml", workspace / "params.yaml")
    return Workspace.of(workspace, {})


def keep_version(places: Workspace, fingerprint: str) -> str:
    with files.staging_dir(places.root / "data" / "splits") as staging:
        for split in SPLITS:
            text = f"a text of {split} and {fingerprint}"
            record = TextRecord(split, text, "positive", "s", split, "en", "", "MIT")
            parquet.write_texts(staging / f"{split}.parquet", [record])
        receipt = Receipt("split", counts=dict.fromkeys(SPLITS, 1), notes={"fingerprint": fingerprint})
        files.write_receipt(staging, receipt)
    DvcCache(places.root).commit("split")
    return data_versions.keep_data_version(places.root, "a test").name


def classifier(places: Workspace, content: bytes) -> str:
    """Write a classifier as the fine-tune stage does; return the digest of its weights."""
    with files.staging_dir(places.root / "data" / "classifier") as staging:
        (staging / "model.safetensors").write_bytes(content)
        return files.write_receipt(staging, Receipt("finetune")).files["model.safetensors"]


def champion(places: Workspace, data_version: str, *, teacher: str, **evaluation: Any) -> str:
    ledger = Ledger(places.ledger)
    document = {
        "identity": teacher,
        "data_version": data_version,
        "params": places.params.read_text("utf-8"),
        "teacher": teacher,
        "champion": ledger.champion(),
        "evaluation": {"labels": LABELS, **evaluation},
        "model_version": "1",
        "workspace": None,
        "files": {},
    }
    name = ledger.add(document).name
    ledger.move(expected=ledger.champion(), target=name, actor="ada", reason="a test")
    return name


def going_on(places: Workspace, *changes: str) -> Params:
    set_params(places.params, ["finetune.start=champion", *changes])
    return load_params(places.params)


def test_an_encoder_needs_no_release(places: Workspace) -> None:
    params = load_params(places.params)

    assert start_identity(places, params) == ""
    assert open_start(places, params) is None


def test_without_a_release_in_service_the_line_to_write_is_named(places: Workspace) -> None:
    with pytest.raises(ConfigError, match=r"no release is in service yet\. Write `start: encoder`"):
        start_identity(places, going_on(places))


def test_the_champion_is_opened_with_what_it_learnt_from(places: Workspace) -> None:
    digest = classifier(places, b"weights")
    champion(places, keep_version(places, "one"), teacher=digest)

    start = open_start(places, going_on(places))

    assert start is not None
    assert (start.release, start.folder, start.data_version) == (
        "R1",
        places.root / "data" / "classifier",
        "v1",
    )
    assert list(start.learnt) == [
        ("a text of train and one", "positive"),
        ("a text of valid and one", "positive"),
    ]


def test_a_second_run_on_the_same_texts_starts_where_the_first_one_did(places: Workspace) -> None:
    champion(places, keep_version(places, "one"), teacher="a" * 64)
    params = going_on(places)
    found = [start_identity(places, params)]

    # New texts, from which R2 is made of R1; it goes into service; a run without new texts; then new ones.
    version = keep_version(places, "two")
    found.append(start_identity(places, params))
    champion(places, version, teacher="b" * 64)
    found.append(start_identity(places, params))
    keep_version(places, "three")
    found.append(start_identity(places, params))

    assert found == [f"{'a' * 64} v1", f"{'a' * 64} v1", f"{'a' * 64} v1", f"{'b' * 64} v2"]


def test_a_release_of_today_that_started_from_an_encoder_is_gone_on_from(places: Workspace) -> None:
    champion(places, keep_version(places, "one"), teacher="a" * 64)
    champion(places, "v1", teacher="b" * 64)

    assert start_identity(places, going_on(places)) == f"{'b' * 64} v1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["encoder.max_tokens=32"], r"R1 has another encoder\.max_tokens: 64, where params\.yaml says 32"),
        (["encoder.start=scratch"], r"R1 has another encoder\.start: package"),
        (["collect.labels=[positive, neutral, negative]"], r"R1 has another collect\.labels"),
        (["task=ordinal"], "R1 has another task: single_label"),
    ],
)
def test_a_champion_of_another_kind_is_refused_with_what_to_write(
    changes: list[str], message: str, places: Workspace
) -> None:
    champion(places, keep_version(places, "one"), teacher="a" * 64)
    params = going_on(places, "evaluate.vader_thresholds=null", *changes)

    with pytest.raises(ConfigError, match=rf"{message}.*Write `start: encoder` under `finetune`"):
        start_identity(places, params)


def test_settings_of_another_start_do_not_count(places: Workspace) -> None:
    champion(places, keep_version(places, "one"), teacher="a" * 64)

    assert start_identity(places, going_on(places, "encoder.scratch.width=256"))


def test_the_identity_of_finetune_follows_the_champion_and_no_other_does(places: Workspace) -> None:
    from pipeline.io.params_file import load_profile
    from pipeline.stages.identity import run

    params = yaml.safe_load(places.params.read_text("utf-8"))
    params["collect"]["sources"] = params["collect"]["sources"][:1]
    places.params.write_text(yaml.safe_dump(params), "utf-8")
    version, found = keep_version(places, "one"), []
    keep_version(places, "two")
    for teacher in ("a" * 64, "b" * 64):
        champion(places, version, teacher=teacher)
        going_on(places)
        run(StageContext(places, load_profile("laptop")))
        stages = places.root / "data" / "identity"
        found.append([(stages / name).read_text() for name in ("pretrain", "finetune", "compress")])

    assert found[0][1] != found[1][1]
    assert [found[0][0], found[0][2]] == [found[1][0], found[1][2]]


def test_a_classifier_that_is_nowhere_is_named(places: Workspace) -> None:
    champion(places, keep_version(places, "one"), teacher="a" * 64)

    with pytest.raises(
        UsageError, match=r"neither in data/classifier nor in MLflow\. Write `start: encoder`"
    ):
        open_start(places, going_on(places))
