"""Live curves of a training in MLflow, and the trials of a search, in runs that a restart continues."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.digests import json_digest
from pipeline.base.errors import TonewatchError
from pipeline.io.registry import mlflow_tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

TRAINING = "tonewatch.training"  # the tag that holds the key of a training, equal after a restart
PARENT = "mlflow.parentRunId"  # the tag by which MLflow shows a run below another
FLUSH_SECONDS = 5.0
# After a failure: to an MLflow that hangs a training loses about 20 s, and not more often than this.
PAUSE_SECONDS = 300.0
POINTS_KEPT = 20_000  # the most that wait for MLflow to come back: some hours
# MLflow's own default: a reading costs about a millisecond, and a run of a day has 8,640 of each.
MACHINE_SECONDS = 10
WITHOUT_WAITING = {**mlflow_tracking.SETTINGS, **mlflow_tracking.IMPATIENT}

log = logs.get("registry")


def experiment_of(model: str) -> str:
    """Return the experiment of the trainings of a registered model; candidates have one of their own."""
    return f"{model}-training"


def search_experiment_of(model: str) -> str:
    """Return the experiment of the searches of a registered model."""
    return f"{model}-tune"


def machine_reader() -> Callable[[], dict[str, float]]:
    """Return what reads the load of this machine, with the names and units of MLflow's system metrics.

    GPUs are read where their library is installed. MLflow's own thread is not used: it ends at the first
    request that fails, and waits for minutes for an MLflow that does not respond, also at its end.
    """
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
    from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor

    monitors = []
    for monitor in (CPUMonitor, DiskMonitor, NetworkMonitor, GPUMonitor, ROCMMonitor):
        # As in MLflow: whatever a monitor raises here, its device is not there.
        with contextlib.suppress(Exception):
            monitors.append(monitor())

    def read() -> dict[str, float]:
        readings: dict[str, float] = {}
        for monitor in monitors:
            monitor.collect_metrics()
            readings |= {f"system/{name}": value for name, value in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        return readings

    read()  # the load of processors is counted from the reading before
    return read


class MlflowCurves:
    """Write the points of one run, several at once; where MLflow fails, the training goes on without.

    Points that could not be written are kept for the next time, up to a number.
    """

    def __init__(self, uri: str, run: str, started: int) -> None:
        self._uri = uri
        self.run = run
        self._started = started
        self._points: deque[Metric] = deque()  # filled by two threads, emptied by the training's alone
        self._next_write = 0.0

    @classmethod
    def open(cls, uri: str, experiment: str, training: str, key: str) -> "MlflowCurves | None":
        """Start the run of a training, or continue it; None where MLflow does not respond."""
        try:
            with mlflow_tracking.mlflow_at(uri, WITHOUT_WAITING) as client:
                place = mlflow_tracking.ensure_experiment(client, uri, experiment)
                found = client.search_runs([place], f"tags.`{TRAINING}` = '{key}'", max_results=1)
                if found:
                    run = found[0]
                    client.update_run(run.info.run_id, status="RUNNING")
                else:
                    name = f"{training}-{key[:8]}"
                    run = client.create_run(place, tags={TRAINING: key}, run_name=name)
                return cls(uri, str(run.info.run_id), int(run.info.start_time))
        except TonewatchError as error:
            log.warning("curves.unreachable", training=training, error=str(error))
            return None

    def log(self, training: str, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve, named after the training."""
        self._add({f"{training}.{name}": value for name, value in metrics.items()}, step)
        if time.monotonic() > self._next_write:
            self._write()

    def log_machine(self, readings: Mapping[str, float]) -> None:
        """Add readings of the machine, from any thread; the next call of `log` or `close` writes them.

        Their step counts intervals since the run began, so it goes on rising after every restart, also after
        one by Ray, which opens no curves.
        """
        elapsed = max(0, int(time.time() * 1000) - self._started)
        self._add(readings, elapsed // (MACHINE_SECONDS * 1000))

    def close(self) -> None:
        """Write the last points and end the run; a restarted training opens it again."""
        self._write(end=True)

    def _add(self, metrics: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._points.extend([Metric(name, float(value), now, step) for name, value in metrics.items()])

    def _write(self, *, end: bool = False) -> None:
        batch: list[Metric] = []
        self._next_write = time.monotonic() + FLUSH_SECONDS
        try:
            with mlflow_tracking.mlflow_at(self._uri, WITHOUT_WAITING) as client:
                while self._points:
                    rows = min(len(self._points), mlflow_tracking.BATCH_ROWS)
                    batch = [self._points.popleft() for _ in range(rows)]
                    client.log_batch(self.run, metrics=batch)
                    batch = []
                if end:
                    client.set_terminated(self.run)
        except TonewatchError as error:
            self._points.extendleft(reversed(batch))
            for _ in range(len(self._points) - POINTS_KEPT):
                self._points.popleft()
            self._next_write = time.monotonic() + PAUSE_SECONDS
            log.warning("curves.unreachable", points=len(self._points), error=str(error))


@dataclass(frozen=True)
class MlflowSearch:
    """Write the trials of a search as runs below one; where MLflow fails, the search goes on without.

    Runs are found again by their tags, so a search that is continued adds to those it has.
    """

    uri: str
    experiment: str
    key: str

    def scored(self, values: Mapping[str, object], scores: Sequence[float]) -> None:
        """Write the values of a trial, its score of each fold so far, and their mean."""
        self._write(values, scores)

    def ended(self, values: Mapping[str, object]) -> None:
        """End the run of a trial."""
        self._write(values, (), end=True)

    def close(self, best: Mapping[str, object], mean: float | None) -> None:
        """End the runs of the search, with the best values and their mean score on the first of them."""
        try:
            with mlflow_tracking.mlflow_at(self.uri) as client:
                run = self._parent(client)
                for key, value in best.items():
                    client.set_tag(run, f"best.{key}", str(value))
                if mean is not None:
                    client.log_metric(run, "score", mean)
                place = mlflow_tracking.ensure_experiment(client, self.uri, self.experiment)
                # A killed search leaves the run of a trial open.
                for trial in client.search_runs([place], f"tags.`{PARENT}` = '{run}' and status = 'RUNNING'"):
                    client.set_terminated(trial.info.run_id)
                client.set_terminated(run)
        except TonewatchError as error:
            log.warning("search.unreachable", error=str(error))

    def _write(self, values: Mapping[str, object], scores: Sequence[float], *, end: bool = False) -> None:
        from mlflow.entities import Metric

        now, fold = int(time.time() * 1000), len(scores)
        means = {"fold_score": scores[-1], "score": sum(scores) / fold} if scores else {}
        try:
            with mlflow_tracking.mlflow_at(self.uri) as client:
                run = self._trial(client, values)
                client.log_batch(run, metrics=[Metric(name, mean, now, fold) for name, mean in means.items()])
                if end:
                    client.set_terminated(run)
        except TonewatchError as error:
            log.warning("search.unreachable", error=str(error))

    def _parent(self, client: "MlflowClient") -> str:
        return self._run(client, self.key, "tune", {})

    def _trial(self, client: "MlflowClient", values: Mapping[str, object]) -> str:
        digest = json_digest(dict(values))
        key = json_digest([self.key, digest])
        run = self._run(client, key, f"trial-{digest[:8]}", {PARENT: self._parent(client)})
        mlflow_tracking.log_numbers(client, run, params=values, metrics={})
        return run

    def _run(self, client: "MlflowClient", key: str, name: str, tags: Mapping[str, str]) -> str:
        place = mlflow_tracking.ensure_experiment(client, self.uri, self.experiment)
        found = client.search_runs([place], f"tags.`{TRAINING}` = '{key}'", max_results=1)
        if found:
            return str(found[0].info.run_id)
        return str(client.create_run(place, tags={TRAINING: key, **tags}, run_name=name).info.run_id)
