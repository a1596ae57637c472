"""A fold is trained without its own texts and without the test split, once for the same values."""

import json

import pytest

from pipeline.base.config import Profile
from pipeline.base.errors import DataRejected, Fault
from pipeline.io import parquet
from pipeline.io.params_file import load_params
from pipeline.operations.tuning import fold_training
from pipeline.operations.tuning.fold_texts import write_folds
from pipeline.operations.tuning.fold_training import WorkspaceFolds
from pipeline.operations.tuning.results import read_trials

PROFILE = Profile(device="cpu", workers=0, micro_batch=64, threads=1, stage_minutes=5)
PRESENT = {"finetune.learning_rate": 3e-3}


@pytest.fixture
def folder(workspace):
    params = load_params(workspace.params)
    out = workspace.home / "folds"
    write_folds(workspace.root / "data" / "splits", out, folds=3, cfg=params.split, seed=params.seed)
    return out


def ids(path):
    return {record.id for record in parquet.read_texts(path)}


def test_each_text_is_held_out_once_and_none_of_the_test_split(workspace, folder):
    parts = [{name: ids(folder / f"fold-{n}" / f"{name}.parquet") for name in ("train", "valid", "held_out")}
             for n in range(3)]  # fmt: skip
    known = ids(workspace.root / "data/splits/train.parquet") | ids(
        workspace.root / "data/splits/valid.parquet"
    )

    for part in parts:
        assert all(part.values())
        assert len(part["train"]) + len(part["valid"]) + len(part["held_out"]) == len(known) == 112
    assert set.union(*(part["held_out"] for part in parts)) == known
    assert sum(len(part["held_out"]) for part in parts) == len(known)


def test_groups_are_whole_in_each_part(folder):
    for n in range(3):
        groups = [
            {record.group for record in parquet.read_texts(folder / f"fold-{n}" / f"{name}.parquet")}
            for name in ("train", "valid", "held_out")
        ]
        assert sum(map(len, groups)) == len(set.union(*groups))


def test_a_score_is_kept_and_not_trained_again(workspace, folder, monkeypatch):
    train = WorkspaceFolds(workspace, PROFILE, folder)
    first = train(PRESENT, 0)
    monkeypatch.setattr(fold_training.finetune, "run", None)

    assert train(PRESENT, 0) == first
    assert 0 < first.score <= 1
    assert not any((folder / "models").iterdir())


def test_the_values_of_a_trial_change_the_training(workspace, folder):
    train = WorkspaceFolds(workspace, PROFILE, folder)

    assert train({"finetune.learning_rate": 1e-8}, 0).score < train(PRESENT, 0).score


def test_values_that_diverge_are_a_fault_of_the_trial(workspace, folder):
    found = WorkspaceFolds(workspace, PROFILE, folder)({"finetune.learning_rate": 1e30}, 0)

    assert found.score is None
    assert "is not finite" in found.fault
    (trial,) = read_trials(folder, PRESENT, folds=3, confidence=0.95)
    assert (trial.scores, trial.mean, trial.fault) == ((), None, found.fault)


def test_a_file_of_the_folds_that_was_changed_is_noticed(workspace, folder):
    (folder / "fold-0" / "train.parquet").write_bytes(b"other")

    with pytest.raises(Fault, match="was changed"):
        WorkspaceFolds(workspace, PROFILE, folder)(PRESENT, 0)


def test_too_few_groups_are_refused(workspace):
    params = load_params(workspace.params)

    with pytest.raises(DataRejected, match=r"200 folds need as many groups"):
        write_folds(workspace.root / "data/splits", workspace.home / "x", folds=200, cfg=params.split, seed=1)


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
