"""Live curves of a training in MLflow, in one run that a restarted training continues."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.errors import TonewatchError
from pipeline.io.registry import mlflow_tracking

if TYPE_CHECKING:
    from mlflow.entities import Metric

TRAINING = "tonewatch.training"  # the tag that holds the key of a training, equal after a restart
FLUSH_SECONDS = 5.0

log = logs.get("registry")


def experiment_of(model: str) -> str:
    """Return the experiment of the trainings of a registered model; candidates have one of their own."""
    return f"{model}-training"


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
