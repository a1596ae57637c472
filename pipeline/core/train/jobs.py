"""A training as it is handed to workers: what it needs and may use, what it leaves, where it is followed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from pipeline.base.config import OptimizerConfig
from pipeline.core.methods.recipe import PLAIN, Recipe
from pipeline.core.train.checkpoints import CheckpointStore
from pipeline.core.train.loop import FindIds, Schedule
from pipeline.core.train.objectives import Metrics, Objective


@dataclass(frozen=True)
class WorkerResources:
    """Set what a training may use; `micro_batch` is the number of texts a worker has in memory at once.

    With workers, this process has joined the Ray cluster that has them. Where some of them are lost with
    their machine, the training restarts from its newest checkpoint with those that are left, `min_workers` at
    least; without that it waits for all. `divide_weights` lets each of several workers hold a part of the
    weights, for a model that does not fit one of them.
    """

    device: str
    workers: int
    micro_batch: int
    threads: int
    storage: str
    min_workers: int | None = None
    divide_weights: bool = False

    @property
    def group(self) -> int | tuple[int, int]:
        """Return the number of workers, or the least and the most of them."""
        if self.min_workers is None or self.min_workers >= self.workers:
            return self.workers
        return self.min_workers, self.workers


@dataclass(frozen=True)
class TrainingJob:
    """Hold all that a worker needs. The model is evaluated after each of `eval_steps`.

    `ids` returns the ids of training texts by their rows, so that an error can name them.
    """

    name: str
    objective: Objective
    cfg: OptimizerConfig
    steps: int
    eval_steps: frozenset[int]
    patience: int
    checkpoints: CheckpointStore
    recipe: Recipe = PLAIN
    ids: FindIds | None = None

    @property
    def schedule(self) -> Schedule:
        """Return the schedule of the training loop."""
        cfg = self.cfg
        return Schedule(self.steps, cfg.learning_rate, cfg.warmup_ratio, cfg.max_grad_norm)


@dataclass(frozen=True)
class TrainingResult:
    """Hold the best weights and the metrics of every evaluation."""

    weights: Mapping[str, Tensor]
    history: tuple[Metrics, ...]


class Curves(Protocol):
    """Describe the curves of a training; the first worker writes them."""

    def log(self, training: str, step: int, metrics: Metrics) -> None:
        """Add a point to each curve."""

    def close(self) -> None:
        """Write what is not written yet."""


class NoCurves:
    """Follow nothing."""

    def log(self, training: str, step: int, metrics: Metrics) -> None:
        """Leave the metrics to the history."""

    def close(self) -> None:
        """Have nothing to write."""
