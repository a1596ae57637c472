"""The progress of a training: what a checkpoint keeps beside the weights, and how it continues from one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pipeline.core.train.checkpoints import CheckpointStore
from pipeline.core.train.objectives import Metrics
from pipeline.core.train.precision import Precision


@dataclass
class TrainingProgress:
    """Hold the progress of a training, which a checkpoint keeps beside model and optimizer."""

    history: list[Metrics] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_score: float | None = None
    evals_without_gain: int = 0
    finished: bool = False

    def add(self, metrics: Metrics, step: int, model: nn.Module) -> None:
        """Record an evaluation, and the weights if they are the best so far."""
        self.history.append({"step": step, **metrics})
        if self.best_score is None or metrics["score"] > self.best_score:
            self.best_score, self.evals_without_gain = metrics["score"], 0
            self.best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        else:
            self.evals_without_gain += 1

    def notes(self) -> dict[str, object]:
        """Return all fields but the tensors."""
        return {name: value for name, value in vars(self).items() if name != "best"}


@dataclass
class TrainingState:
    """Hold all that changes while a model is trained."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    precision: Precision
    progress: TrainingProgress = field(default_factory=TrainingProgress)

    def save(self, checkpoints: CheckpointStore, step: int) -> None:
        """Write a checkpoint as it is after a step."""
        weights = self.model.state_dict()
        tensors: dict[str, Mapping[str, Tensor]] = {
            "model": weights,
            "optimizer": _optimizer_tensors(self.optimizer),
            "best": self.progress.best or weights,
        }
        if scale := self.precision.state():
            tensors["scale"] = scale
        checkpoints.save(step, tensors, self.progress.notes())

    def resume(self, checkpoints: CheckpointStore) -> int:
        """Continue from the newest checkpoint, if there is one; return the steps done."""
        checkpoint = checkpoints.newest()
        if checkpoint is None:
            return 0
        self.model.load_state_dict(checkpoint.tensors["model"])
        _load_optimizer(self.optimizer, checkpoint.tensors["optimizer"])
        self.precision.load(dict(checkpoint.tensors.get("scale", {})))
        self.progress = TrainingProgress(best=dict(checkpoint.tensors["best"]), **checkpoint.notes)
        return checkpoint.step


class Throughput:
    """Measure the tokens that a training reads in a second; the clock counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds = self._tokens = 0.0
        self._began = clock()

    def begin(self) -> None:
        """Start to measure, again after what is no training: an evaluation, a checkpoint."""
        self._began = self._clock()

    def add(self, tokens: int) -> None:
        """Count a step that has just been done."""
        now = self._clock()
        self._seconds += now - self._began
        self._tokens += tokens
        self._began = now

    def read(self) -> float:
        """Return the tokens a second since the last reading."""
        rate = self._tokens / self._seconds if self._seconds > 0 else 0.0
        self._seconds = self._tokens = 0.0
        return rate


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
