"""Before a release moves, a fresh process loads its files and predicts the golden texts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import toy
from onnx import numpy_helper

from pipeline.base.errors import Fault
from pipeline.release import smoke_test as smoke_test_module
from pipeline.release.smoke_test import smoke_test


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy.candidate(tmp_path / "candidate", {"fine": "positive", "dull": "negative"})
    return tmp_path / "candidate"


def test_a_good_model_passes_within_seconds_whatever_lies_in_the_workspace(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    before = os.times()

    assert smoke_test(folder, 0.01) < 1e-6

    after = os.times()  # CPU time, which does not depend on other processes
    assert after.children_user + after.children_system - before.children_user - before.children_system < 3


def test_the_process_prints_one_line_of_json(folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "pipeline.serve.smoke_test", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )

    result = json.loads(process.stdout)
    assert (result["texts"], set(result)) == (32, {"texts", "worst"})


def test_changed_weights_fail_with_the_difference(folder: Path) -> None:
    model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "weights")
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(0.9), "weights"))
    (folder / "model.onnx").write_bytes(model.SerializeToString())

    # "fine": e^2.7 / (e^2.7 + 2) = 0.8815 where e^3 / (e^3 + 2) = 0.9094 is stored
    with pytest.raises(
        Fault,
        match=r"32 golden texts differently: a probability differs by 0\.0279, at most 0\.01",
    ):
        smoke_test(folder, 0.01)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.onnx", "not a model", r"exited with 1 \(.*model\.onnx may not be part of a model"),
        (
            "golden.json",
            '{"texts": ["fine"], "probabilities": [[1.0]]}',
            r"exited with 1 \(ValueError: .*\(1, 1\) in golden\.json, \(1, 3\) predicted",
        ),
    ],
)
def test_a_model_that_cannot_be_served_fails_with_the_reason(
    name: str, content: str, message: str, folder: Path
) -> None:
    (folder / name).write_text(content)

    with pytest.raises(Fault, match=message):
        smoke_test(folder, 0.01)


def test_a_probability_that_is_not_a_number_fails(folder: Path) -> None:
    model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "weights")
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32("nan"), "weights"))
    (folder / "model.onnx").write_bytes(model.SerializeToString())

    with pytest.raises(Fault, match="differs by nan"):
        smoke_test(folder, 0.01)


def test_a_process_that_takes_too_long_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke_test_module, "TIMEOUT_SECONDS", 0.01)

    with pytest.raises(Fault, match=r"did not predict its golden texts within 0\.01 s"):
        smoke_test(folder, 0.01)


def test_a_release_without_golden_texts_fails(folder: Path) -> None:
    (folder / "golden.json").unlink()

    with pytest.raises(Fault, match=r"has no golden\.json.*tonewatch run"):
        smoke_test(folder, 0.01)
