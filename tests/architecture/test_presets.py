"""`tonewatch init` writes the files the checkout itself runs on."""

from pathlib import Path

import pytest

from pipeline.io.params_file import set_param
from pipeline.operations.workspace import params_of, presets


@pytest.mark.parametrize("name", ["dvc.yaml", "params.yaml"])
def test_the_template_of_a_workspace_equals_the_checkouts_own_file(root: Path, name: str) -> None:
    assert (root / "pipeline" / "presets" / name).read_bytes() == (root / name).read_bytes()


@pytest.mark.parametrize("preset", presets())
def test_writing_one_value_changes_one_line(preset: str, tmp_path: Path) -> None:
    before = params_of(preset)
    (params := tmp_path / "params.yaml").write_text(before, "utf-8")

    set_param(params, "finetune.epochs=7")

    pairs = zip(before.splitlines(), params.read_text("utf-8").splitlines(), strict=True)
    assert [new.strip().partition(" #")[0] for old, new in pairs if old != new] == ["epochs: 7"]
