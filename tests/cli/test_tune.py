"""`tonewatch tune` and `run --overlay`: the table of the trials, and wrong use."""

import dataclasses
import json
from pathlib import Path

import pytest

from pipeline.__main__ import run_command
from pipeline.cli import tune
from pipeline.core.search.folds import MeanOverFolds
from pipeline.operations.tuning.results import Trial
from pipeline.operations.tuning.search import SearchResult
from pipeline.operations.workspace import init_workspace

BEST = Trial(
    {"finetune.learning_rate": 2.5e-4, "finetune.epochs": 2},
    (0.74, 0.76),
    MeanOverFolds(0.75, 0.70, 0.80),
    MeanOverFolds(0.02, -0.01, 0.05),
    "",
    is_present=False,
)
PRESENT = Trial(
    {"finetune.learning_rate": 1.5e-4, "finetune.epochs": 1},
    (0.72, 0.74),
    MeanOverFolds(0.73, 0.68, 0.78),
    None,
    "",
    is_present=True,
)
STOPPED = dataclasses.replace(BEST, scores=(0.6,), mean=MeanOverFolds(0.6, None, None), gain=None)
DIVERGED = dataclasses.replace(
    BEST, scores=(), mean=None, gain=None, fault="the loss of step 3 is not finite"
)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    init_workspace(tmp_path / "ws", "csv")
    monkeypatch.chdir(tmp_path / "ws")
    return tmp_path / "ws"


def run(capsys, *arguments):
    code = run_command(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_table_shows_each_trial_with_its_interval_and_what_to_type():
    result = SearchResult((BEST, PRESENT, STOPPED, DIVERGED), 2, True, BEST, Path("tuned.yaml"))

    lines = [" ".join(line.split()) for line in tune.search_table(result).splitlines()]

    assert lines == [
        "finetune.learning_rate finetune.epochs folds macro F1 against the present",
        "0.00025 2 2 of 2 0.750 [0.700, 0.800] +0.020 [-0.010, +0.050]",
        "0.00015 1 2 of 2 0.730 [0.680, 0.780] the present",
        "0.00025 2 1 of 2 0.600",
        "0.00025 2 0 of 2 the loss of step 3 is not finite",
        "Best: tuned.yaml. Type: tonewatch run --overlay tuned.yaml",
    ]


def test_a_search_that_is_out_of_time_says_how_to_go_on():
    text = tune.search_table(SearchResult((STOPPED,), 2, False, None, None))

    assert text.splitlines()[-1] == (
        "The time is over before the last trial. Type `tonewatch tune` to go on."
    )


def test_where_the_present_values_are_best_there_is_nothing_to_change():
    text = tune.search_table(SearchResult((PRESENT, STOPPED), 2, True, PRESENT, None))

    assert text.splitlines()[-1] == (
        "The values of params.yaml are the best of these; there is nothing to change."
    )


def test_without_data_the_command_names_the_stage_that_makes_them(workspace, capsys):
    code, _, message = run(capsys, "tune")

    assert code == 3
    assert "tonewatch stage split" in message
    assert not (workspace / "tuned.yaml").exists()


def test_a_range_of_an_unknown_key_is_wrong_use(workspace, capsys):
    params = (workspace / "params.yaml").read_text("utf-8")
    (workspace / "params.yaml").write_text(params.replace("finetune.epochs:", "finetune.epoch:"), "utf-8")

    code, output, _ = run(capsys, "tune", "--json")

    assert code == 2
    assert "finetune.epoch, which is no key" in json.dumps(json.loads(output))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("finetune: {epochz: 2}\n", "finetune.epochz"),
        ("finetune: {epochs: 0}\n", "finetune.epochs"),
        ("epochs: 2\n", "holds no sections"),
    ],
)
def test_a_wrong_overlay_changes_nothing(workspace, capsys, content, named):
    before = (workspace / "params.yaml").read_bytes()
    (workspace / "mine.yaml").write_text(content)

    code, _, message = run(capsys, "run", "--overlay", "mine.yaml")

    assert code == 2
    assert named in message
    assert (workspace / "params.yaml").read_bytes() == before


def test_an_overlay_and_set_are_written_together_or_not_at_all(workspace, capsys):
    before = (workspace / "params.yaml").read_bytes()
    (workspace / "mine.yaml").write_text("finetune: {epochs: 2}\n")

    code, _, message = run(capsys, "run", "--overlay", "mine.yaml", "--set", "finetune.batch_size=0")

    assert code == 2
    assert "finetune.batch_size" in message
    assert (workspace / "params.yaml").read_bytes() == before


def test_where_nothing_could_be_trained_the_table_says_so_and_what_to_type():
    fault = "finetune: the loss of step 2 is not finite. Write a `learning_rate` below 1 for this training."
    diverged = dataclasses.replace(DIVERGED, fault=fault)

    text = tune.search_table(SearchResult((diverged,), 2, True, None, None))

    assert text.splitlines()[1].rstrip().endswith("the loss of step 2 is not finite")
    assert "below 1" not in text
    assert text.splitlines()[-1].startswith(
        "None of these could be trained on every fold. Write other `ranges`"
    )


@pytest.mark.parametrize(("out", "fault"), [("params.yaml", "no search wrote it"), (".", "is a folder")])
def test_an_overlay_replaces_no_file_of_others(workspace, capsys, out, fault):
    before = (workspace / "params.yaml").read_bytes()

    code, _, message = run(capsys, "tune", "--out", out)

    assert code == 2
    assert fault in message
    assert (workspace / "params.yaml").read_bytes() == before


def test_an_overlay_with_too_long_a_name_is_wrong_use(workspace, capsys):
    code, _, message = run(capsys, "tune", "--out", "a" * 300)

    assert code == 2
    assert "is no place to use: File name too long. Write another path." in message
