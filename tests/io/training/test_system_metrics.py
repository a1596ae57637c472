import pickle
import socket
import threading
import time

import pytest

from pipeline.io.registry import mlflow_tracking, training_curves
from pipeline.io.registry.training_curves import MlflowCurves, machine_reader
from pipeline.io.training import system_metrics
from pipeline.io.training.curves import WorkspaceCurves
from pipeline.io.training.system_metrics import SystemMetrics

CPU = "system/cpu_utilization_percentage"
MEMORY = "system/system_memory_usage_megabytes"


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def _read_often(monkeypatch):
    for module in (system_metrics, training_curves):
        monkeypatch.setattr(module, "MACHINE_SECONDS", 0.05)


def opened(uri, key):
    """Return the curves of a training as its worker gets them."""
    mlflow = MlflowCurves.open(uri, "trainings", "finetune", key * 64)
    return pickle.loads(pickle.dumps(WorkspaceCurves((mlflow, SystemMetrics(mlflow)))))


def points(uri, curves, name):
    with mlflow_tracking.mlflow_at(uri) as client:
        return client.get_metric_history(curves.places[0].run, name)


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "system-metrics"]


def wait_for(condition, seconds=20):
    """Wait until a condition holds, and fail where it does not."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.usefixtures("_read_often")
def test_load_of_the_machine_stands_beside_the_curves(uri):
    curves = opened(uri, "a")
    curves.log("finetune", 10, {"loss": 1.0})
    wait_for(lambda: len(curves.places[0]._points) > 20)
    curves.close()

    assert [point.step for point in points(uri, curves, "finetune.loss")] == [10]
    assert all(0 <= point.value <= 100 for point in points(uri, curves, CPU))
    assert all(point.value > 100 for point in points(uri, curves, MEMORY))
    assert len(points(uri, curves, MEMORY)) >= 2


@pytest.mark.usefixtures("_read_often")
def test_steps_go_on_rising_after_a_restart(uri):
    lengths = []
    for _ in range(2):
        curves = opened(uri, "b")
        curves.log("finetune", 10, {"loss": 1.0})
        wait_for(lambda curves=curves: len(curves.places[0]._points) > 20)
        curves.close()
        lengths.append(len(points(uri, curves, CPU)))

    history = sorted(points(uri, curves, CPU), key=lambda point: point.timestamp)
    steps = [point.step for point in history]
    assert steps == sorted(set(steps))
    assert lengths[1] > lengths[0] >= 2


def test_the_thread_runs_only_where_points_are_logged_and_ends_with_the_training(uri):
    mlflow = MlflowCurves.open(uri, "trainings", "finetune", "d" * 64)
    driver = SystemMetrics(mlflow)
    worker = pickle.loads(pickle.dumps(driver))
    assert readers() == []

    worker.log("finetune", 10, {"loss": 1.0})
    worker.log("finetune", 20, {"loss": 1.0})
    assert len(readers()) == 1

    driver.close()
    assert len(readers()) == 1
    worker.close()
    worker.close()
    assert readers() == []


def test_a_machine_that_cannot_be_read_stops_no_training(uri, monkeypatch, capsys):
    monkeypatch.setattr("psutil.cpu_percent", lambda: 1 / 0)
    curves = opened(uri, "c")

    curves.log("finetune", 10, {"loss": 1.0})
    wait_for(lambda: readers() == [])
    curves.close()

    assert "".join(capsys.readouterr()).count("system_metrics.ended") == 1
    assert [point.step for point in points(uri, curves, "finetune.loss")] == [10]


@pytest.mark.usefixtures("_read_often")
def test_an_mlflow_that_accepts_and_never_answers_costs_one_request(monkeypatch):
    monkeypatch.setitem(training_curves.WITHOUT_WAITING, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setitem(training_curves.WITHOUT_WAITING, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        mlflow = MlflowCurves(f"http://127.0.0.1:{server.getsockname()[1]}", "some", 0)
        curves = WorkspaceCurves((mlflow, SystemMetrics(mlflow)))
        began = time.monotonic()
        for step in range(0, 1000, 10):
            curves.log("finetune", step, {"loss": 1.0})
        logged = time.monotonic() - began
        curves.close()

    assert logged < 4
    assert readers() == []


def test_names_are_those_of_mlflow_itself():
    readings = machine_reader()()

    assert {CPU, MEMORY, "system/disk_usage_percentage", "system/network_receive_megabytes"} <= set(readings)
