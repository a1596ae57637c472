"""Where the curves of a workspace's trainings go: its MLflow, and TensorBoard where that is installed."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.errors import TonewatchError
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.registry.training_curves import MlflowCurves, experiment_of
from pipeline.io.training.tensorboard_curves import TensorBoardCurves, is_installed


@dataclass(frozen=True)
class WorkspaceCurves:
    """Write each point to every place that could be opened."""

    places: tuple[MlflowCurves | TensorBoardCurves, ...]

    def log(self, training: str, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        for place in self.places:
            place.log(training, step, metrics)

    def close(self) -> None:
        """Write what is not written yet."""
        for place in self.places:
            place.close()


def open_curves(workspace: Workspace, training: str, key: str) -> WorkspaceCurves:
    """Open the curves of a training, those it had before a restart; what cannot be reached is left out."""
    places: list[MlflowCurves | TensorBoardCurves] = []
    try:
        experiment = experiment_of(open_registry(workspace).name)
        mlflow = MlflowCurves.open(workspace.mlflow, experiment, training, key)
        places += [mlflow] if mlflow else []
    except TonewatchError as error:
        logs.get("train").warning("curves.unreachable", training=training, error=str(error))
    if is_installed():
        places.append(TensorBoardCurves(workspace.home / "tensorboard" / f"{training}-{key[:8]}"))
    return WorkspaceCurves(tuple(places))
