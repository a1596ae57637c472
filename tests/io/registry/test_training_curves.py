import pickle

import mlflow
import pytest

from pipeline.base.config import Workspace
from pipeline.io.registry import mlflow_tracking, training_curves
from pipeline.io.registry.training_curves import PARENT, MlflowCurves, MlflowSearch
from pipeline.io.training.curves import WorkspaceCurves, open_curves


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def points(uri, run, name):
    with mlflow_tracking.mlflow_at(uri) as client:
        return [(point.step, point.value) for point in client.get_metric_history(run, name)]


def test_a_restarted_training_continues_its_run(uri):
    first = MlflowCurves.open(uri, "trainings", "finetune", "a" * 64)
    first.log("finetune", 10, {"loss": 1.5})
    first.log("finetune", 20, {"loss": 1.0})

    again = pickle.loads(pickle.dumps(MlflowCurves.open(uri, "trainings", "finetune", "a" * 64)))
    again.log("finetune", 30, {"loss": 0.5, "tokens_per_second": 9000.0})
    again.close()

    assert again.run == first.run
    assert (10, 1.5) in points(uri, first.run, "finetune.loss")
    assert (30, 0.5) in points(uri, first.run, "finetune.loss")
    assert points(uri, first.run, "finetune.tokens_per_second") == [(30, 9000.0)]
    with mlflow_tracking.mlflow_at(uri) as client:
        assert client.get_run(first.run).info.status == "FINISHED"


def test_another_training_has_a_run_of_its_own(uri):
    runs = {MlflowCurves.open(uri, "trainings", "finetune", key * 64).run for key in "bc"}

    assert len(runs) == 2


def test_points_reach_mlflow_while_the_training_runs(uri, monkeypatch):
    monkeypatch.setattr(training_curves, "FLUSH_SECONDS", 0.0)
    curves = MlflowCurves.open(uri, "trainings", "pretrain", "d" * 64)

    curves.log("pretrain", 10, {"loss": 2.0})

    assert points(uri, curves.run, "pretrain.loss") == [(10, 2.0)]


def test_an_mlflow_that_does_not_respond_stops_no_training(tmp_path):
    assert MlflowCurves.open("http://127.0.0.1:9", "trainings", "finetune", "e" * 64) is None
    gone = MlflowCurves("http://127.0.0.1:9", "some", 0)

    gone.log("finetune", 10, {"loss": 2.0})
    gone.close()


def test_points_of_an_mlflow_that_was_away_are_written_later(uri, tmp_path, monkeypatch):
    monkeypatch.setattr(training_curves, "PAUSE_SECONDS", 0.0)
    (tmp_path / "place").write_text("no folder")
    curves = MlflowCurves.open(uri, "trainings", "finetune", "8" * 64)
    monkeypatch.setattr(curves, "_uri", f"sqlite:///{tmp_path}/place/mlflow.db")
    curves.log("finetune", 10, {"loss": 2.0})
    curves.log("finetune", 20, {"loss": 1.0})

    monkeypatch.setattr(curves, "_uri", uri)
    curves.log("finetune", 30, {"loss": 0.5})

    assert points(uri, curves.run, "finetune.loss") == [(10, 2.0), (20, 1.0), (30, 0.5)]


def test_points_that_wait_for_mlflow_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(training_curves, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(training_curves, "POINTS_KEPT", 3)
    curves = MlflowCurves("http://127.0.0.1:9", "some", 0)
    for step in range(5):
        curves.log("finetune", step, {"loss": 2.0})

    assert [point.step for point in curves._points] == [2, 3, 4]


def test_a_workspace_has_an_experiment_for_its_trainings(tmp_path):
    workspace = Workspace.of(tmp_path, {})

    curves = open_curves(workspace, "finetune", "f" * 64)
    curves.log("finetune", 10, {"loss": 2.0})
    curves.close()

    assert isinstance(curves, WorkspaceCurves)
    with mlflow_tracking.mlflow_at(workspace.mlflow) as client:
        names = {experiment.name for experiment in client.search_experiments()}
    assert "tonewatch-training" in names
    assert mlflow.active_run() is None


VALUES = [{"finetune.epochs": 2, "finetune.targets": "it's"}, {"finetune.epochs": 3}]


def runs_of(uri, experiment):
    """Return the runs of an experiment by their name, and the ids of their parents by the same."""
    with mlflow_tracking.mlflow_at(uri) as client:
        runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return {run.info.run_name: run for run in runs}


def test_the_trials_of_a_search_are_runs_below_one(uri):
    search = MlflowSearch(uri, "searches", "f" * 64)
    search.scored(VALUES[0], [0.5])
    search.scored(VALUES[1], [0.6])
    # Killed here, and continued by another process.
    search = pickle.loads(pickle.dumps(search))
    search.scored(VALUES[0], [0.5, 0.7])
    search.ended(VALUES[0])
    search.close(VALUES[0], 0.6)

    runs = runs_of(uri, "searches")
    parent = runs.pop("tune")
    first, second = sorted(runs.values(), key=lambda run: run.data.params["finetune.epochs"])
    assert {run.data.tags[PARENT] for run in (first, second)} == {parent.info.run_id}
    assert first.data.params == {"finetune.epochs": "2", "finetune.targets": "it's"}
    assert points(uri, first.info.run_id, "fold_score") == [(1, 0.5), (2, 0.7)]
    assert points(uri, first.info.run_id, "score") == [(1, 0.5), (2, pytest.approx(0.6))]
    assert {run.info.status for run in (parent, first, second)} == {"FINISHED"}
    assert parent.data.metrics["score"] == 0.6
    assert parent.data.tags["best.finetune.epochs"] == "2"


def test_another_search_has_runs_of_its_own(uri):
    for key in "ab":
        MlflowSearch(uri, "both", key * 64).scored(VALUES[0], [0.5])

    with mlflow_tracking.mlflow_at(uri) as client:
        runs = client.search_runs([client.get_experiment_by_name("both").experiment_id])
    assert len(runs) == 4
    assert len({run.data.tags[PARENT] for run in runs if PARENT in run.data.tags}) == 2


def test_an_mlflow_that_does_not_respond_stops_no_search():
    search = MlflowSearch("http://127.0.0.1:9", "searches", "f" * 64)

    search.scored(VALUES[0], [0.5])
    search.ended(VALUES[0])
    search.close(VALUES[0], 0.5)
