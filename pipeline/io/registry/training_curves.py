"""Live curves of a training in MLflow, and the trials of a search, in runs that a restart continues."""

import time
from collections.abc import Mapping, Sequence
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

log = logs.get("registry")


def experiment_of(model: str) -> str:
    """Return the experiment of the trainings of a registered model; candidates have one of their own."""
    return f"{model}-training"


def search_experiment_of(model: str) -> str:
    """Return the experiment of the searches of a registered model."""
    return f"{model}-tune"


class MlflowCurves:
    """Write the points of one run, several at once; where MLflow fails, the training goes on without."""

    def __init__(self, uri: str, run: str) -> None:
        self._uri = uri
        self.run = run
        self._points: list[Metric] = []
        self._written = 0.0

    @classmethod
    def open(cls, uri: str, experiment: str, training: str, key: str) -> "MlflowCurves | None":
        """Start the run of a training, or continue it; None where MLflow does not respond."""
        try:
            with mlflow_tracking.mlflow_at(uri) as client:
                place = mlflow_tracking.ensure_experiment(client, uri, experiment)
                found = client.search_runs([place], f"tags.`{TRAINING}` = '{key}'", max_results=1)
                if found:
                    client.update_run(found[0].info.run_id, status="RUNNING")
                    return cls(uri, str(found[0].info.run_id))
                name = f"{training}-{key[:8]}"
                return cls(
                    uri, str(client.create_run(place, tags={TRAINING: key}, run_name=name).info.run_id)
                )
        except TonewatchError as error:
            log.warning("curves.unreachable", training=training, error=str(error))
            return None

    def log(self, training: str, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve, named after the training."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._points += [
            Metric(f"{training}.{name}", float(value), now, step) for name, value in metrics.items()
        ]
        if time.monotonic() - self._written > FLUSH_SECONDS:
            self._write()

    def close(self) -> None:
        """Write the last points and end the run; a restarted training opens it again."""
        self._write(end=True)

    def _write(self, *, end: bool = False) -> None:
        points, self._points, self._written = self._points, [], time.monotonic()
        try:
            with mlflow_tracking.mlflow_at(self._uri) as client:
                for start in range(0, len(points), mlflow_tracking.BATCH_ROWS):
                    client.log_batch(self.run, metrics=points[start : start + mlflow_tracking.BATCH_ROWS])
                if end:
                    client.set_terminated(self.run)
        except TonewatchError as error:
            log.warning("curves.unreachable", points=len(points), error=str(error))


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
