"""The loop on Ray Train: in this process when the profile has no workers, else on a group of them with DDP.

The one room of the logic that knows Ray. What a worker must know travels in one `Job`; what it leaves lies in the
checkpoints, whose last one is the outcome. So a training that died goes on, wherever it died.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
import torch
from torch import Tensor, nn

from pipeline.base.logs import progress
from pipeline.core.train.loop import Schedule, StepResult, WorkerShard, fit
from pipeline.core.train.objectives import Objective
from pipeline.core.train.optimizer import make_optimizer

log = structlog.get_logger(room="train")
TIMEOUT_SECONDS = 1800


class SavedCheckpoint(Protocol):
    """Describe a checkpoint as the loop needs it."""

    @property
    def step(self) -> int:
        """Give the number of steps done."""

    @property
    def tensors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Give the groups of tensors: model, optimizer, best."""

    @property
    def notes(self) -> Mapping[str, Any]:
        """Give the rest."""


class CheckpointStore(Protocol):
    """Describe where checkpoints are kept; every worker must reach the same place."""

    @property
    def key(self) -> str:
        """Name the training by all that it depends on."""

    def save(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], notes: Mapping[str, Any]) -> None:
        """Write one whole."""

    def newest(self) -> SavedCheckpoint | None:
        """Read the newest that is whole."""

    def forget(self) -> None:
        """Remove all of them."""


@dataclass(frozen=True)
class WorkerResources:
    """Say what the loop may use."""

    device: str
    workers: int
    micro_batch: int
    threads: int
    storage: str


class OptimizerConfig(Protocol):
    """Describe the settings that every training shares."""

    @property
    def learning_rate(self) -> float:
        """Return the highest learning rate."""

    @property
    def warmup_ratio(self) -> float:
        """Return the share of steps in which the rate rises."""

    @property
    def weight_decay(self) -> float:
        """Return the weight decay of AdamW."""

    @property
    def max_grad_norm(self) -> float:
        """Return the largest norm of a gradient."""

    @property
    def save_every(self) -> int:
        """Return the steps between two checkpoints."""


@dataclass(frozen=True)
class TrainingJob:
    """Hold all that a worker must know. `looks` are the steps after which the model is judged."""

    name: str
    method: Objective
    course: Schedule
    weight_decay: float
    looks: frozenset[int]
    patience: int
    save_every: int
    keep: CheckpointStore

    @classmethod
    def of(
        cls,
        name: str,
        method: Objective,
        cfg: OptimizerConfig,
        *,
        steps: int,
        looks: Collection[int],
        patience: int,
        keep: CheckpointStore,
    ) -> "TrainingJob":
        """Build a job from a section of `params.yaml`."""
        course = Schedule(steps, cfg.learning_rate, cfg.warmup_ratio, cfg.max_grad_norm)
        return cls(
            name=name,
            method=method,
            course=course,
            weight_decay=cfg.weight_decay,
            looks=frozenset(looks),
            patience=patience,
            save_every=cfg.save_every,
            keep=keep,
        )


@dataclass(frozen=True)
class TrainingResult:
    """Hold the best weights seen and the history of the training."""

    weights: Mapping[str, Tensor]
    history: tuple[Mapping[str, float], ...]


@dataclass
class TrainingProgress:
    """Hold where a training stands; this, beside model and optimizer, is what a checkpoint keeps."""

    history: list[dict[str, float]]
    best: dict[str, Tensor]
    best_score: float | None = None
    poorer_looks: int = 0
    finished: bool = False

    def look(self, figures: dict[str, float], step: int, model: nn.Module) -> None:
        """Take in a judgement, and the weights if they are the best so far."""
        self.history.append({"step": step, **figures})
        if self.best_score is None or figures["score"] > self.best_score:
            self.best_score, self.poorer_looks = figures["score"], 0
            self.best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        else:
            self.poorer_looks += 1

    def notes(self) -> dict[str, Any]:
        """Give what is not a tensor."""
        return {
            "history": self.history,
            "best_score": self.best_score,
            "poorer_looks": self.poorer_looks,
            "finished": self.finished,
        }


def run_training(job: TrainingJob, machine: WorkerResources) -> TrainingResult:
    """Train to the end of the job, from its newest checkpoint if there is one.

    Raises ray.train.TrainingFailedError when workers died more often than is allowed.
    """
    saved = job.keep.newest()
    if saved is None or not saved.notes["finished"]:
        _run(job, machine)
        saved = job.keep.newest()
    assert saved is not None
    assert saved.notes["finished"]
    return TrainingResult(saved.tensors["best"], tuple(saved.notes["history"]))


def _run(job: TrainingJob, machine: WorkerResources) -> None:
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    if machine.workers and not ray.is_initialized():
        # RAY_ADDRESS, which Ray reads itself, names a cluster; without it one is started here.
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    gpu = machine.device == "cuda"
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job, "machine": machine},
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo", timeout_s=TIMEOUT_SECONDS),
        scaling_config=ScalingConfig(num_workers=machine.workers, use_gpu=gpu and machine.workers > 0),
        run_config=RunConfig(
            name=f"{job.name}-{job.keep.key[:16]}",
            storage_path=machine.storage,
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

    job, machine = config["job"], config["machine"]
    context = ray.train.get_context()
    share = WorkerShard(context.get_world_rank(), context.get_world_size(), machine.micro_batch)
    torch.set_num_threads(max(1, machine.threads // max(1, context.get_local_world_size())))
    device = ray.train.torch.get_device() if machine.workers else torch.device(machine.device)
    core = job.method.model().to(device)
    optimizer = make_optimizer(core, weight_decay=job.weight_decay)
    start, state = _resume(job, core, optimizer)
    model = ray.train.torch.prepare_model(core, move_to_device=False) if share.workers > 1 else core
    if start == 0 and 0 in job.looks:
        _look(job, core, state, 0)
    with progress(job.name, job.course.steps if share.rank == 0 else 0) as show:
        for step in fit(model, job.method, optimizer, job.course, share, start=start):
            show(step.number)
            if _listen(job, core, optimizer, state, step):
                break


def _listen(
    job: TrainingJob,
    core: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: TrainingProgress,
    step: StepResult,
) -> bool:
    """Judge, save and report after a step; say whether training ends here."""
    import ray.train

    if step.number in job.looks:
        _look(job, core, state, step.number, loss=_over_workers(step.loss, core), rate=step.rate)
    state.finished = step.number == job.course.steps or state.poorer_looks >= job.patience
    if state.finished or step.number % job.save_every == 0:
        if ray.train.get_context().get_world_rank() == 0:
            tensors = {
                "model": core.state_dict(),
                "optimizer": _flat(optimizer),
                "best": state.best or core.state_dict(),
            }
            job.keep.save(step.number, tensors, state.notes())
        # Every worker reports equally often, or Ray waits for ever.
        ray.train.report({"step": step.number, "loss": step.loss})
    return state.finished


def _over_workers(part: float, core: nn.Module) -> float:
    if not torch.distributed.is_initialized():
        return part
    total = torch.tensor(part, device=next(core.parameters()).device)
    torch.distributed.all_reduce(total)
    return float(total)


def _look(job: TrainingJob, core: nn.Module, state: TrainingProgress, step: int, **seen: float) -> None:
    from ray.train import get_context
    from ray.train.collective import broadcast_from_rank_zero

    # One worker judges and tells the others: two could differ in the last digit, and part ways at the early stop.
    figures = job.method.judge(core) if get_context().get_world_rank() == 0 else {}
    state.look(broadcast_from_rank_zero({**figures, **seen}), step, core)
    log.info(
        "judged",
        training=job.name,
        of=job.course.steps,
        **{key: round(value, 4) for key, value in state.history[-1].items()},
    )


def _resume(
    job: TrainingJob, core: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, TrainingProgress]:
    saved = job.keep.newest()
    if saved is None:
        return 0, TrainingProgress(history=[], best={})
    core.load_state_dict(saved.tensors["model"])
    _fill(optimizer, saved.tensors["optimizer"])
    log.info("resumed", training=job.name, step=saved.step, of=job.course.steps)
    return saved.step, TrainingProgress(best=dict(saved.tensors["best"]), **saved.notes)


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def _fill(optimizer: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
