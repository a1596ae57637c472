"""An overlay is written for the best trial, and read as values for params.yaml."""

import os

import pytest

from pipeline.base.errors import ConfigError, UsageError
from pipeline.core.search.folds import MeanOverFolds
from pipeline.io.params_file import load_params, set_params
from pipeline.operations.tuning.overlay import overlay_assignments, require_place, write_overlay
from pipeline.operations.tuning.results import Trial

VALUES = {"finetune.learning_rate": 1e-05, "finetune.epochs": 3, "finetune.targets": "ratings"}


def test_a_written_overlay_sets_the_same_values(workspace, tmp_path):
    mean, gain = MeanOverFolds(0.743, 0.731, 0.755), MeanOverFolds(0.012, -0.001, 0.025)
    trial = Trial(VALUES, (0.74, 0.746), mean, gain, "", is_present=False)

    path = write_overlay(tmp_path / "out" / "best.yaml", trial, folds=2)
    set_params(workspace.params, overlay_assignments(path))

    found = load_params(workspace.params).finetune
    assert (found.learning_rate, found.epochs, found.targets) == (1e-05, 3, "ratings")
    assert path.read_text().splitlines()[0] == (
        "# Macro F1 0.743 [0.731, 0.755] over 2 folds; +0.012 [-0.001, +0.025] against params.yaml as it was."
    )


def test_an_overlay_may_set_keys_of_any_section(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "finetune: {epochs: 2}\ncompress:\n  budget: {max_megabytes: 30.0}\n  menu: [{name: fp32}]\n"
    )

    assert overlay_assignments(tmp_path / "mine.yaml") == [
        "finetune.epochs=2",
        "compress.budget.max_megabytes=30.0",
        "compress.menu=[{name: fp32}]",
    ]


@pytest.mark.parametrize("content", ["", "finetune", "- finetune", "epochs: 3", "finetune: {"])
def test_a_file_without_sections_is_refused_with_an_example(tmp_path, content):
    (tmp_path / "mine.yaml").write_text(content)

    with pytest.raises(ConfigError, match=r"The overlay .*mine\.yaml"):
        overlay_assignments(tmp_path / "mine.yaml")


def test_a_missing_overlay_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read"):
        overlay_assignments(tmp_path / "none.yaml")


def test_an_unknown_key_of_an_overlay_changes_nothing(workspace, tmp_path):
    (tmp_path / "mine.yaml").write_text("finetune: {epochs: 9, epochz: 2}\n")
    before = workspace.params.read_bytes()

    with pytest.raises(ConfigError, match=r"no key 'finetune\.epochz'"):
        set_params(workspace.params, overlay_assignments(tmp_path / "mine.yaml"))

    assert workspace.params.read_bytes() == before


def test_an_overlay_of_a_search_before_may_be_replaced(tmp_path):
    trial = Trial(VALUES, (0.74,), MeanOverFolds(0.74, None, None), None, "", is_present=False)

    require_place(tmp_path / "new" / "best.yaml")
    first = write_overlay(tmp_path / "best.yaml", trial, folds=1)
    before = first.read_bytes()

    require_place(first)

    assert first.read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_files_of_others_and_places_that_are_none_are_refused(workspace, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (workspace.params, tmp_path, workspace.params / "best.yaml", pipe):
        with pytest.raises(UsageError, match=r"Name another file: tonewatch tune --out tuned-2\.yaml"):
            require_place(path)
