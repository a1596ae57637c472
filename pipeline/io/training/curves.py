"""Where curves of trainings go: MLflow with the machine's load, TensorBoard if installed, W&B if asked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.errors import TonewatchError
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.registry.training_curves import MlflowCurves, experiment_of
from pipeline.io.training.system_metrics import SystemMetrics
from pipeline.io.training.tensorboard_curves import TensorBoardCurves, is_installed
from pipeline.io.training.wandb_curves import WandbCurves, open_wandb

Place = MlflowCurves | SystemMetrics | TensorBoardCurves | WandbCurves


@dataclass(frozen=True)
class WorkspaceCurves:
    """Write each point to every place that could be opened."""

    places: tuple[Place, ...]

    def log(self, training: str, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        for place in self.places:
            place.log(training, step, metrics)

    def close(self) -> None:
        """Write what is not written yet; the thread that reads the machine ends before its curves do."""
        for place in reversed(self.places):
            place.close()


def open_curves(workspace: Workspace, training: str, key: str) -> WorkspaceCurves:
    """Open the curves of a training, those it had before a restart; what cannot be reached is left out."""
    places: list[Place] = []
    try:
        experiment = experiment_of(open_registry(workspace).name)
        mlflow = MlflowCurves.open(workspace.mlflow, experiment, training, key)
        places += [mlflow, SystemMetrics(mlflow)] if mlflow else []
    except TonewatchError as error:
        logs.get("train").warning("curves.unreachable", training=training, error=str(error))
    if is_installed():
        places.append(TensorBoardCurves(workspace.home / "tensorboard" / f"{training}-{key[:8]}"))
    wandb = open_wandb(workspace.home, training, key, os.environ)
    places += [wandb] if wandb else []
    return WorkspaceCurves(tuple(places))
