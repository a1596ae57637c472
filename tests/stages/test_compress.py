"""The compress stage on a tiny classifier: the menu, the candidate, and resuming after a kill."""

import json
import multiprocessing
import os
import shutil
import signal

import numpy as np
import pytest
from structlog.testing import capture_logs

from pipeline.base.config import CompressConfig, Profile
from pipeline.base.errors import DigestMismatch
from pipeline.base.records import Receipt, TextRecord
from pipeline.core.model.encoder import EncoderSettings
from pipeline.inference.load import load_predictor
from pipeline.io import files, parquet
from pipeline.io.checkpoints import CheckpointFolder
from pipeline.io.params_file import load_params
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.stages.compress import compress, halve_texts
from pipeline.stages.context import TrainingContext

LABELS = ["bad", "good"]
SERVED = {"model.onnx", "tokenizer.json", "model.json", "golden.json"}
UNCOMPRESSED = {"vocabulary_min_count": None, "layers": 1.0, "heads": 1.0, "feed_forward": 1.0, "int8": False}
MENU = (
    {**UNCOMPRESSED, "name": "fp32"},
    {**UNCOMPRESSED, "name": "int8", "int8": True},
    {
        "name": "small",
        "vocabulary_min_count": 1,
        "layers": 0.5,
        "heads": 0.5,
        "feed_forward": 0.5,
        "int8": False,
    },
    {
        "name": "small-int8",
        "vocabulary_min_count": 1,
        "layers": 0.5,
        "heads": 0.5,
        "feed_forward": 0.5,
        "int8": True,
    },
)


@pytest.fixture(scope="module")
def inputs(classifier, tokenizer_json, sentences, tmp_path_factory):
    """Write the folders of finetune and split: a classifier and its texts."""
    from safetensors.torch import save

    base = tmp_path_factory.mktemp("inputs")
    with files.staging_dir(base / "classifier") as staging:
        files.write_bytes(staging / "model.safetensors", save(dict(classifier.state_dict())))
        config = {name: getattr(classifier.encoder.config, name) for name in EncoderSettings.__annotations__}
        files.write_json(staging / "config.json", config)
        files.write_bytes(staging / "tokenizer.json", tokenizer_json.encode())
        files.write_receipt(staging, Receipt("finetune"))
    records = [
        TextRecord(str(n), text, LABELS[label], "mine", str(n), "en", "", "own")
        for n, (text, label) in enumerate(sentences)
    ]
    with files.staging_dir(base / "splits") as staging:
        for side in ("train", "valid"):
            parquet.write_texts(staging / f"{side}.parquet", records)
        files.write_receipt(staging, Receipt("split"))
    return base / "classifier", base / "splits"


def run(inputs, home, root, *, out="candidate", menu=MENU, **changes):
    params = load_params(root / "params.yaml")
    values = params.compress.model_dump()
    recovery = {**values["recovery"], "steps": 12, "batch_size": 16, "learning_rate": 3e-3, "save_every": 4}
    loose = {
        "max_f1_drop": 0.5,
        "max_slice_drop": 0.5,
        "min_agreement": 0.5,
        "max_megabytes": 5.0,
        "confidence": 0.95,
        "resamples": 100,
    }
    sizes = {"importance_texts": 32, "benchmark_texts": 16, "uncertain_share": 0.1}
    cfg = CompressConfig.model_validate(
        {**values, **sizes, "menu": menu, "recovery": recovery, "budget": loose, **changes}
    )
    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=2, stage_minutes=5)
    training = TrainingContext(
        3, profile, home / "checkpoints", home, "code", RayCluster("local", home / "token")
    )
    return compress(
        *inputs, home / out, labels=LABELS, max_tokens=32, cfg=cfg, slices=params.evaluate, training=training
    )


@pytest.fixture(scope="module")
def home(inputs, tmp_path_factory, root):
    home = tmp_path_factory.mktemp("home")
    run(inputs, home, root)
    return home


def test_the_menu_holds_the_measurements_of_each_variant(home, inputs):
    menu = json.loads((home / "candidate" / "menu.json").read_text("utf-8"))
    variants = {variant["name"]: variant for variant in menu["variants"]}

    assert list(variants) == ["fp32", "int8", "small", "small-int8"]
    assert menu["teacher"] == {
        name: variants["fp32"][name] for name in ("macro_f1", "parameters", "megabytes")
    }
    valid = parquet.read_texts(inputs[1] / "valid.parquet")
    assert sum(menu["texts"].values()) == len(valid)
    assert menu["texts"]["choice"] == pytest.approx(len(valid) / 2, abs=1)
    assert all(
        one["macro_f1_drop"] < one["macro_f1_drop_bound"] and one["agreement_bound"] < one["agreement"]
        for one in variants.values()
    )
    assert variants["fp32"]["macro_f1_drop"] == 0.0
    assert variants["fp32"]["agreement"] == 1.0
    assert (
        variants["small"]["parameters"]
        == variants["small-int8"]["parameters"]
        < variants["fp32"]["parameters"]
    )
    assert all(
        0 < one["p50_ms"] <= one["p95_ms"] and 0 < one["p50_ms_32"] <= one["p95_ms_32"]
        for one in variants.values()
    )
    assert variants[menu["chosen"]]["fits"]
    assert menu["threads"] == 2


def test_the_candidate_predicts_its_golden_texts_and_holds_no_time(home):
    folder = home / "candidate"
    settings, golden = (
        json.loads((folder / name).read_text("utf-8")) for name in ("model.json", "golden.json")
    )

    predictions = load_predictor(folder).predict(golden["texts"])

    assert {path.name for path in folder.iterdir()} == SERVED | {"menu.json", "receipt.json"}
    assert set(settings) == {
        "labels",
        "max_tokens",
        "variant",
        "temperature",
        "uncertain",
        "teacher",
        "preparation",
    }
    assert len(golden["texts"]) == 32
    assert np.array_equal(predictions.probabilities, golden["probabilities"])


def test_the_set_share_of_the_calibration_texts_is_uncertain(home, inputs):
    _, calibration = halve_texts(parquet.read_texts(inputs[1] / "valid.parquet"))
    texts = [record.text for record in calibration]

    uncertain = load_predictor(home / "candidate").predict(texts).uncertain

    assert sum(uncertain) == pytest.approx(0.1 * len(texts), abs=1)


def test_a_second_run_has_the_same_figures(home, inputs, root):
    first = files.read_receipt(home / "candidate")

    again = run(inputs, home, root, out="again")

    assert again.figures == first.figures
    assert list((home / "checkpoints").glob("*/step-*")) == []


def test_the_teacher_is_served_when_no_variant_fits(inputs, root, tmp_path):
    nothing = {
        "max_f1_drop": 0.0,
        "max_slice_drop": 0.0,
        "min_agreement": 1.0,
        "max_megabytes": 0.001,
        "confidence": 0.95,
        "resamples": 100,
    }

    run(inputs, tmp_path, root, menu=MENU[:2], budget=nothing)

    assert json.loads((tmp_path / "candidate" / "model.json").read_text("utf-8"))["variant"] == "fp32"


def test_a_changed_teacher_is_rejected(inputs, root, tmp_path):
    shutil.copytree(inputs[0], tmp_path / "classifier")
    (tmp_path / "classifier" / "config.json").write_text("{}", "utf-8")

    with pytest.raises(DigestMismatch, match=r"config\.json was changed"):
        run((tmp_path / "classifier", inputs[1]), tmp_path, root)


def run_and_die(inputs, home, root):
    """Run the stage, and die when the recovery writes its second checkpoint."""
    save = CheckpointFolder.save

    def save_and_die(self, step, *rest):
        save(self, step, *rest)
        if step == 8:
            os.kill(os.getpid(), signal.SIGKILL)

    CheckpointFolder.save = save_and_die
    run(inputs, home, root)


@pytest.mark.chaos
def test_a_killed_recovery_resumes_to_the_same_figures(home, inputs, root, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=run_and_die, args=(inputs, tmp_path, root))
    process.start()
    process.join(120)

    with capture_logs() as events:
        resumed = run(inputs, tmp_path, root)

    assert process.exitcode == -signal.SIGKILL
    assert [
        (event["training"], event["step"]) for event in events if event["event"] == "training.resumed"
    ] == [("recover-small", 8)]
    assert resumed.figures == files.read_receipt(home / "candidate").figures
