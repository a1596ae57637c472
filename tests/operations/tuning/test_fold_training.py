"""A fold is trained without its own texts and without the test split, once for the same values."""

import json

import pytest

from pipeline.base.config import Profile
from pipeline.base.errors import DataRejected, Fault
from pipeline.base.records import Receipt
from pipeline.io import files, parquet
from pipeline.io.params_file import load_params, set_params
from pipeline.operations.tuning import fold_training
from pipeline.operations.tuning.fold_texts import divide
from pipeline.operations.tuning.fold_training import WorkspaceFolds
from pipeline.operations.tuning.results import read_trials, remove_damaged

PROFILE = Profile(device="cpu", workers=0, micro_batch=64, threads=1, stage_minutes=5)
PRESENT = {"finetune.learning_rate": 3e-3}


@pytest.fixture
def folder(workspace):
    return workspace.checkpoints / "tune-test"


def parts_of(workspace):
    params = load_params(workspace.params)
    return [divide(workspace.root / "data" / "splits", fold, params) for fold in range(3)]


def test_each_text_is_held_out_once_and_none_of_the_test_split(workspace):
    splits = workspace.root / "data" / "splits"
    known = {one.id for name in ("train", "valid") for one in parquet.read_texts(splits / f"{name}.parquet")}

    held_out = [record.id for parts in parts_of(workspace) for record in parts["held_out"]]

    assert sorted(held_out) == sorted(known)
    for parts in parts_of(workspace):
        assert all(parts.values())
        assert sorted(record.id for records in parts.values() for record in records) == sorted(known)


def test_groups_are_whole_in_each_part(workspace):
    for parts in parts_of(workspace):
        groups = [{record.group for record in records} for records in parts.values()]
        assert sum(map(len, groups)) == len(set.union(*groups))


def test_a_score_is_kept_and_not_trained_again(workspace, folder, monkeypatch):
    train = WorkspaceFolds(workspace.root, PROFILE, folder)
    first = train(PRESENT, 0)
    monkeypatch.setattr(fold_training.finetune, "run", None)

    assert train(PRESENT, 0) == first
    assert 0 < first.score <= 1
    # No text is left behind.
    assert [path.name for path in folder.iterdir() if any(path.iterdir())] == ["scores"]


def test_the_values_of_a_trial_change_the_training(workspace, folder):
    train = WorkspaceFolds(workspace.root, PROFILE, folder)

    still, learnt = (
        train({"finetune.learning_rate": rate, "finetune.min_steps": 48}, 0) for rate in (1e-8, 5e-3)
    )

    assert still.score < learnt.score


def test_values_that_diverge_are_a_fault_of_the_trial(workspace, folder):
    found = WorkspaceFolds(workspace.root, PROFILE, folder)({"finetune.learning_rate": 1e30}, 0)

    assert found.score is None
    assert "is not finite" in found.fault
    (trial,) = read_trials(folder, PRESENT, folds=3, confidence=0.95)
    assert (trial.scores, trial.mean, trial.fault) == ((), None, found.fault)


def test_data_that_were_changed_are_refused(workspace, folder):
    (workspace.root / "data" / "splits" / "train.parquet").write_bytes(b"other")

    with pytest.raises(Fault, match="was changed"):
        WorkspaceFolds(workspace.root, PROFILE, folder)(PRESENT, 0)


@pytest.mark.parametrize("folds", [57, 200])
def test_too_few_groups_are_refused(workspace, folds):
    set_params(workspace.params, [f"tune.folds={folds}"])

    with pytest.raises(DataRejected, match=rf"{folds} folds need as many groups .* hold 56"):
        divide(workspace.root / "data" / "splits", 0, load_params(workspace.params))


def write_scores(folder, values, scores):
    for fold, score in enumerate(scores):
        path = folder / "scores" / f"{abs(hash(json.dumps(values)))}-{fold}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"values": values, "fold": fold, "score": score, "fault": ""}))


def test_trials_are_compared_fold_by_fold_with_the_present_values(tmp_path):
    write_scores(tmp_path, PRESENT, [0.5, 0.6, 0.7])
    write_scores(tmp_path, {"finetune.learning_rate": 1e-3}, [0.6, 0.8, 0.7])
    write_scores(tmp_path, {"finetune.learning_rate": 1e-2}, [0.9])

    better, present, stopped = read_trials(tmp_path, PRESENT, folds=3, confidence=0.95)

    assert better.values == {"finetune.learning_rate": 1e-3}
    assert better.gain.mean == pytest.approx(0.1)
    assert better.gain.low < 0 < better.gain.high
    assert (present.is_present, present.gain) == (True, None)
    # With one of three folds it is no best, whatever its score.
    assert (stopped.scores, stopped.gain.mean) == ((0.9,), pytest.approx(0.4))


def test_texts_that_a_method_cannot_learn_from_are_a_fault_of_the_trial(workspace, folder):
    splits = workspace.root / "data" / "splits"
    alike = [one for one in parquet.read_texts(splits / "train.parquet") if one.label == "positive"]
    with files.staging_dir(splits) as staging:
        for name in ("train", "valid", "test"):
            parquet.write_texts(staging / f"{name}.parquet", alike if name == "train" else [])
        files.write_receipt(staging, Receipt("split"))

    found = WorkspaceFolds(workspace.root, PROFILE, folder)({"finetune.method": "contrastive"}, 0)

    assert found.score is None
    assert "compares texts of two labels" in found.fault


def test_values_that_do_not_go_together_say_why(workspace, folder):
    values = {"finetune.dropout": 0.0, "finetune.r_drop": 1.0}

    found = WorkspaceFolds(workspace.root, PROFILE, folder)(values, 0)

    assert found.fault.startswith("r_drop compares two passes with different dropout, and there is none")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"values": 1, "score": 1.0}'])
def test_damaged_scores_are_removed_and_whole_ones_kept(tmp_path, content):
    write_scores(tmp_path, PRESENT, [0.5, 0.6])
    damaged = tmp_path / "scores" / "half-0.json"
    damaged.write_bytes(content)

    assert remove_damaged(tmp_path)
    assert not damaged.exists()
    assert not remove_damaged(tmp_path)
    (trial,) = read_trials(tmp_path, PRESENT, folds=2, confidence=0.95)
    assert trial.scores == (0.5, 0.6)


def test_a_diverged_trial_is_no_damage(tmp_path):
    path = tmp_path / "scores" / "one-0.json"
    files.write_json(path, {"values": PRESENT, "fold": 0, "score": None, "fault": "diverged"})

    assert not remove_damaged(tmp_path)


def test_of_trials_that_are_as_good_the_present_values_come_first(tmp_path):
    for rate in (1e-2, 1e-3, 1e-4):
        write_scores(tmp_path, {"finetune.learning_rate": rate}, [0.5, 0.6])
    write_scores(tmp_path, PRESENT, [0.5, 0.6])

    assert read_trials(tmp_path, PRESENT, folds=2, confidence=0.95)[0].is_present
