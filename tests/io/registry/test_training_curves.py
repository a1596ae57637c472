import pickle

import mlflow
import pytest

from pipeline.base.config import Workspace
from pipeline.io.registry import mlflow_tracking, training_curves
from pipeline.io.registry.training_curves import MlflowCurves
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
    gone = MlflowCurves("http://127.0.0.1:9", "some")

    gone.log("finetune", 10, {"loss": 2.0})
    gone.close()


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
