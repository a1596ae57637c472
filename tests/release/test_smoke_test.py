"""Before a release moves, the very files are loaded in a process of their own and answer as they did when they were made."""

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
from pipeline.release import smoke_test as stage
from pipeline.release.smoke_test import smoke_test


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy.candidate(tmp_path / "candidate", {"fine": "positive", "dull": "negative"})
    return tmp_path / "candidate"


def test_a_good_model_passes_in_about_two_seconds_and_a_package_in_the_workspace_cannot_stand_in(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    before = os.times()

    assert smoke_test(folder, 0.01) < 1e-6

    after = os.times()  # of the processor, for a busy machine is no slow program
    assert after.children_user + after.children_system - before.children_user - before.children_system < 3


def test_the_process_says_in_one_line_of_json_how_many_and_how_far(folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pipeline.serve.smoke_test", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )

    told = json.loads(ran.stdout)
    assert (told["texts"], set(told)) == (32, {"texts", "worst"})


def test_changed_weights_fail_with_the_figure(folder: Path) -> None:
    model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "weights")
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(0.9), "weights"))
    (folder / "model.onnx").write_bytes(model.SerializeToString())

    # "fine": e^2.7 / (e^2.7 + 2) = 0.8815 where e^3 / (e^3 + 2) = 0.9094 was kept
    with pytest.raises(
        Fault,
        match=r"32 golden texts otherwise than when it was made: a probability differs by 0\.0279, at most 0\.01",
    ):
        smoke_test(folder, 0.01)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("model.onnx", "not a model", r"ended with 1 \(.*model\.onnx may not be part of a model"),
        (
            "golden.json",
            '{"texts": ["fine"], "probabilities": [[1.0]]}',
            r"ended with 1 \(ValueError: golden\.json keeps \(1, 1\) probabilities, and \(1, 3\) were found\)",
        ),
    ],
)
def test_a_model_that_cannot_be_served_is_told_with_the_reason(
    name: str, content: str, why: str, folder: Path
) -> None:
    (folder / name).write_text(content)

    with pytest.raises(Fault, match=why):
        smoke_test(folder, 0.01)


def test_an_answer_that_is_no_number_fails(folder: Path) -> None:
    model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "weights")
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32("nan"), "weights"))
    (folder / "model.onnx").write_bytes(model.SerializeToString())

    with pytest.raises(Fault, match="differs by nan"):
        smoke_test(folder, 0.01)


def test_one_that_takes_too_long_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "SECONDS", 0.01)

    with pytest.raises(Fault, match=r"did not answer its golden texts within 0\.01 s"):
        smoke_test(folder, 0.01)


def test_a_release_without_golden_texts_is_refused(folder: Path) -> None:
    (folder / "golden.json").unlink()

    with pytest.raises(Fault, match=r"has no golden\.json.*tonewatch run"):
        smoke_test(folder, 0.01)
