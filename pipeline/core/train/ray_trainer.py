"""The training loop on Ray Train: in this process when the profile has no workers, else on workers with DDP.

The only module of the logic that knows Ray. A worker gets all it needs in one TrainingJob and leaves
checkpoints, the last of which is the result; so a training that died resumes from the newest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
import torch
from torch import Tensor, nn

from pipeline.base.config import OptimizerConfig
from pipeline.base.logs import progress
from pipeline.core.train.checkpoints import CheckpointStore
from pipeline.core.train.loop import Schedule, StepResult, WorkerShard, fit
from pipeline.core.train.objectives import Metrics, Objective
from pipeline.core.train.optimizer import make_optimizer

log = structlog.get_logger(component="train")
TIMEOUT_SECONDS = 1800


@dataclass(frozen=True)
class WorkerResources:
    """Set what a training may use; `micro_batch` is the number of texts a worker has in memory at once.

    With workers, this process has joined the Ray cluster that has them.
    """

    device: str
    workers: int
    micro_batch: int
    threads: int
    storage: str


@dataclass(frozen=True)
class TrainingJob:
    """Hold all that a worker needs. The model is evaluated after each of `eval_steps`."""

    name: str
    objective: Objective
    cfg: OptimizerConfig
    steps: int
    eval_steps: frozenset[int]
    patience: int
    checkpoints: CheckpointStore

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


def run_training(job: TrainingJob, resources: WorkerResources) -> TrainingResult:
    """Train to the end of the job, from its newest checkpoint if there is one.

    Raises ray.train.TrainingFailedError when workers die more often than is allowed.
    """
    checkpoint = job.checkpoints.newest()
    if checkpoint is None or not checkpoint.notes["finished"]:
        _run(job, resources)
        checkpoint = job.checkpoints.newest()
    assert checkpoint is not None
    assert checkpoint.notes["finished"]
    return TrainingResult(checkpoint.tensors["best"], tuple(checkpoint.notes["history"]))


def _run(job: TrainingJob, resources: WorkerResources) -> None:
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    # Else Ray starts a cluster that asks for no token.
    assert ray.is_initialized() or not resources.workers
    gpu = resources.device == "cuda"
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job, "resources": resources},
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo", timeout_s=TIMEOUT_SECONDS),
        scaling_config=ScalingConfig(num_workers=resources.workers, use_gpu=gpu and resources.workers > 0),
        run_config=RunConfig(
            name=f"{job.name}-{job.checkpoints.key[:16]}",
            storage_path=resources.storage,
            # Ray's own default is no retry of a worker and endless retry of the controller.
            failure_config=FailureConfig(
                max_failures=2, controller_failure_limit=3, max_preemption_failures=5
            ),
        ),
    )
    trainer.fit()


def _work(config: dict[str, Any]) -> None:
    import ray.train
    import ray.train.torch

    job: TrainingJob = config["job"]
    resources: WorkerResources = config["resources"]
    context = ray.train.get_context()
    shard = WorkerShard(context.get_world_rank(), context.get_world_size(), resources.micro_batch)
    torch.set_num_threads(max(1, resources.threads // max(1, context.get_local_world_size())))
    device = ray.train.torch.get_device() if resources.workers else torch.device(resources.device)
    model = job.objective.build_model().to(device)
    optimizer = make_optimizer(model, weight_decay=job.cfg.weight_decay)
    start, state = _resume(job, model, optimizer)
    wrapped = ray.train.torch.prepare_model(model, move_to_device=False) if shard.workers > 1 else model
    if start == 0 and 0 in job.eval_steps:
        _evaluate(job, model, state, 0, {})
    with progress(job.name, job.steps if shard.rank == 0 else 0) as show:
        for step in fit(wrapped, job.objective, optimizer, job.schedule, shard, start=start):
            show(step.number)
            _after_step(job, model, optimizer, state, step)
            if state.finished:
                break


def _after_step(
    job: TrainingJob,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: TrainingProgress,
    step: StepResult,
) -> None:
    """Evaluate, save and report after a step, and set `state.finished` when training ends here."""
    import ray.train

    if step.number in job.eval_steps:
        loss = _sum_over_workers(step.loss, model)
        _evaluate(job, model, state, step.number, {"loss": loss, "learning_rate": step.learning_rate})
    state.finished = step.number == job.steps or state.evals_without_gain >= job.patience
    if state.finished or step.number % job.cfg.save_every == 0:
        if ray.train.get_context().get_world_rank() == 0:
            tensors = {
                "model": model.state_dict(),
                "optimizer": _optimizer_tensors(optimizer),
                "best": state.best or model.state_dict(),
            }
            job.checkpoints.save(step.number, tensors, state.notes())
        # Every worker must report equally often, or Ray waits for ever.
        ray.train.report({"step": step.number, "loss": step.loss})


def _sum_over_workers(loss: float, model: nn.Module) -> float:
    if not torch.distributed.is_initialized():
        return loss
    total = torch.tensor(loss, device=next(model.parameters()).device)
    torch.distributed.all_reduce(total)
    return float(total)


def _evaluate(
    job: TrainingJob, model: nn.Module, state: TrainingProgress, step: int, measured: Metrics
) -> None:
    from ray.train import get_context
    from ray.train.collective import broadcast_from_rank_zero

    # One worker evaluates for all: the last digit could differ between two, and so the early stop.
    metrics = job.objective.evaluate(model) if get_context().get_world_rank() == 0 else {}
    state.add(broadcast_from_rank_zero({**metrics, **measured}), step, model)
    log.info(
        "training.evaluated",
        training=job.name,
        of=job.steps,
        **{name: round(value, 4) for name, value in state.history[-1].items()},
    )


def _resume(
    job: TrainingJob, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, TrainingProgress]:
    """Load the newest checkpoint; return the steps done and the progress."""
    checkpoint = job.checkpoints.newest()
    if checkpoint is None:
        return 0, TrainingProgress()
    model.load_state_dict(checkpoint.tensors["model"])
    _load_optimizer(optimizer, checkpoint.tensors["optimizer"])
    log.info("training.resumed", training=job.name, step=checkpoint.step, of=job.steps)
    return checkpoint.step, TrainingProgress(best=dict(checkpoint.tensors["best"]), **checkpoint.notes)


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
