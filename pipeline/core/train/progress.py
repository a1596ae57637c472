"""The progress of a training: what a checkpoint keeps beside the weights, and how it continues from one."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pipeline.base.config import OptimizerConfig
from pipeline.core.methods.averaging import WeightAverage
from pipeline.core.methods.recipe import Recipe
from pipeline.core.train.checkpoints import CheckpointStore
from pipeline.core.train.loop import NOTHING_ADDED, StepAdditions
from pipeline.core.train.objectives import Metrics
from pipeline.core.train.optimizer import make_optimizer
from pipeline.core.train.precision import Precision, precision_of
from pipeline.core.train.sharding import load_whole, part_of, whole, whole_weights


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
            self.best = {name: one.detach().cpu().clone() for name, one in whole_weights(model).items()}
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
    average: WeightAverage | None = None
    additions: StepAdditions = NOTHING_ADDED

    @classmethod
    def begin(cls, model: nn.Module, cfg: OptimizerConfig, recipe: Recipe, *, steps: int) -> "TrainingState":
        """Return the state of a training of so many steps before the first one."""
        optimizer = make_optimizer(model, weight_decay=cfg.weight_decay, layer_decay=recipe.layer_decay)
        precision = precision_of(next(model.parameters()).device.type)
        additions = StepAdditions(recipe.perturbing(model), recipe.dividing_ranks(model, steps))
        return cls(model, optimizer, precision, average=recipe.averaging(model, steps), additions=additions)

    def after_step(self, step: int) -> None:
        """Divide the ranks anew, and add the weights to their mean."""
        if self.additions.ranks:
            self.additions.ranks.after_step(step)
        if self.average:
            self.average.after_step(step)

    def averaged(self) -> AbstractContextManager[None]:
        """Give the model the mean of its weights, where there is one."""
        return self.average.applied() if self.average else nullcontext()

    def tensors(self) -> dict[str, Mapping[str, Tensor]]:
        """Return the whole tensors of a checkpoint by group; where they are divided, all workers must ask."""
        weights = whole_weights(self.model)
        tensors: dict[str, Mapping[str, Tensor]] = {
            "model": weights,
            "optimizer": _optimizer_tensors(self.optimizer),
            "best": self.progress.best or weights,
        }
        more = {
            "scale": self.precision.state(),
            "average": _whole_group(self.average.state()) if self.average else {},
            "ranks": self.additions.ranks.state() if self.additions.ranks else {},
        }
        return tensors | {name: group for name, group in more.items() if group}

    def resume(self, checkpoints: CheckpointStore) -> int:
        """Continue from the newest checkpoint, if there is one; return the steps done."""
        checkpoint = checkpoints.newest()
        if checkpoint is None:
            return 0
        load_whole(self.model, checkpoint.tensors["model"])
        _load_optimizer(self.optimizer, checkpoint.tensors["optimizer"])
        self.precision.load(dict(checkpoint.tensors.get("scale", {})))
        if self.average:
            weights = dict(self.model.named_parameters())
            means = checkpoint.tensors.get("average", {})
            self.average.load({name: part_of(mean, weights[name]) for name, mean in means.items()})
        if self.additions.ranks:
            self.additions.ranks.load(dict(checkpoint.tensors.get("ranks", {})))
        self.progress = TrainingProgress(best=dict(checkpoint.tensors["best"]), **checkpoint.notes)
        return checkpoint.step


def _whole_group(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: whole(value) for name, value in tensors.items()}


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return _whole_group(
        {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}
    )


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = part_of(value, weights[int(number)])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
