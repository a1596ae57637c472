"""The training loop on Ray Train: in this process when the profile has no workers, else on workers.

The only module of the logic that knows Ray. Workers have a copy of the weights each (DDP) or a part of them
(FSDP). A worker gets all it needs in one TrainingJob and leaves checkpoints, the last of which is the result;
so a training that died resumes from the newest.
"""

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import structlog
import torch
from torch import nn

from pipeline.base.errors import ConfigError, TrainingDiverged, UsageError
from pipeline.base.logs import progress
from pipeline.core.train import loop
from pipeline.core.train.jobs import Curves, NoCurves, TrainingJob, TrainingResult, WorkerResources
from pipeline.core.train.loop import Divergence, LossNotFinite, StepResult, WorkerShard
from pipeline.core.train.objectives import Metrics, watched_outputs
from pipeline.core.train.progress import TrainingState
from pipeline.core.train.sharding import divide_weights, is_divided
from pipeline.core.train.throughput import Arithmetic, Throughput, measure_arithmetic

log = structlog.get_logger(component="train")
TIMEOUT_SECONDS = 1800
# Steps between two points of a curve.
CURVE_EVERY = 10


def run_training(
    job: TrainingJob, resources: WorkerResources, curves: Curves | None = None
) -> TrainingResult:
    """Train to the end of the job, from its newest checkpoint if there is one.

    Raises ConfigError where a method cannot train divided weights, TrainingDiverged where a loss is not
    finite, UsageError where there are fewer GPUs than the profile asks for, and
    ray.train.TrainingFailedError when workers die more often than is allowed.
    """
    _require_divisible(job, resources)
    checkpoint = job.checkpoints.newest()
    if checkpoint is None or not checkpoint.notes["finished"]:
        divergence = _run(job, resources, curves or NoCurves())
        checkpoint = job.checkpoints.newest()
        if divergence:
            kept = checkpoint.step if checkpoint else 0
            raise TrainingDiverged(
                divergence.sentence(job.name, job.cfg.learning_rate, kept=kept, ids=job.ids)
            )
    assert checkpoint is not None
    assert checkpoint.notes["finished"]
    return TrainingResult(checkpoint.tensors["best"], tuple(checkpoint.notes["history"]))


def _run(job: TrainingJob, resources: WorkerResources, curves: Curves) -> Divergence | None:
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    # Else Ray starts a cluster that asks for no token.
    assert ray.is_initialized() or not resources.workers
    gpu = resources.device == "cuda"
    _require_gpus(resources)
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job, "resources": resources, "curves": curves},
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo", timeout_s=TIMEOUT_SECONDS),
        scaling_config=ScalingConfig(num_workers=resources.group, use_gpu=gpu and resources.workers > 0),
        run_config=RunConfig(
            name=f"{job.name}-{job.checkpoints.key[:16]}",
            storage_path=resources.storage,
            # Ray's own default is no retry of a worker and endless retry of the controller.
            failure_config=FailureConfig(
                max_failures=2, controller_failure_limit=3, max_preemption_failures=5
            ),
        ),
    )
    divergence: Divergence | None = trainer.fit().return_value
    return divergence


def _require_divisible(job: TrainingJob, resources: WorkerResources) -> None:
    if resources.divide_weights and job.recipe.rank:
        raise ConfigError(
            "`method: adalora` ranks whole matrices, and the profile divides them among its workers. Write "
            "`method: lora` under `finetune` in params.yaml, or `divide_weights: false` into the profile."
        )


def _require_gpus(resources: WorkerResources) -> None:
    import ray

    if resources.device != "cuda":
        return
    wanted = max(1, resources.workers)
    found = int(ray.cluster_resources().get("GPU", 0)) if resources.workers else torch.cuda.device_count()
    if found < wanted:
        raise UsageError(
            f"The profile asks for {wanted} GPU{'s' if wanted > 1 else ''}, and {found} can be used. Type "
            "`tonewatch run --profile laptop`, or write `device: cpu` or fewer `workers` into the profile."
        )


def _work(config: dict[str, Any]) -> Divergence | None:
    """Train on this worker; return where the loss stopped being finite, on every worker alike."""
    import ray.train
    import ray.train.torch

    job: TrainingJob = config["job"]
    resources: WorkerResources = config["resources"]
    context = ray.train.get_context()
    shard = WorkerShard(context.get_world_rank(), context.get_world_size(), resources.micro_batch)
    torch.set_num_threads(max(1, resources.threads // max(1, context.get_local_world_size())))
    device = ray.train.torch.get_device() if resources.workers else torch.device(resources.device)
    divided = resources.divide_weights and shard.workers > 1
    model = _placed(job.objective.build_model(), device, divided=divided)
    state = TrainingState.begin(model, job.cfg, job.recipe, steps=job.steps)
    start = state.resume(job.checkpoints)
    if start:
        log.info("training.resumed", training=job.name, step=start, of=job.steps)
    wrapped: Any = model
    if shard.workers > 1 and not divided:
        wrapped = ray.train.torch.prepare_model(model, move_to_device=False)
    if device.type == "cuda" and job.recipe.adversarial == "none" and not divided:
        # On a processor the compiler costs more than it gains, and changes the last digits; and what is
        # compiled takes no notice of a perturbation.
        wrapped = torch.compile(wrapped, dynamic=True)
    curves: Curves = config["curves"] if shard.rank == 0 else NoCurves()
    # Divided weights are only whole while all workers compute together.
    arithmetic = None if divided or shard.rank else _arithmetic(job, state, shard.workers)
    try:
        _Training(job, state, curves, arithmetic).run(wrapped, shard, start)
    except LossNotFinite as error:
        return error.divergence
    finally:
        curves.close()
    return None


def _arithmetic(job: TrainingJob, state: TrainingState, workers: int) -> Arithmetic:
    passes = state.additions.passes
    one = measure_arithmetic(state.model, job.objective, state.precision, time.perf_counter, passes=passes)
    return replace(one, rate=one.rate * workers)


def _placed(model: nn.Module, device: torch.device, *, divided: bool) -> nn.Module:
    """Return the model on the device, or this worker's part of it."""
    if divided:
        divide_weights(model, device)
        return model
    return model.to(device)


@dataclass
class _Training:
    """Evaluate, save and report while the loop trains."""

    job: TrainingJob
    state: TrainingState
    curves: Curves
    arithmetic: Arithmetic | None

    def run(self, model: nn.Module, shard: WorkerShard, start: int) -> None:
        """Train from a step to the end, or to an early stop."""
        job, state = self.job, self.state
        if start == 0 and 0 in job.eval_steps:
            self._evaluate(0, {})
        throughput = Throughput(time.perf_counter)
        trained = loop.fit(
            model,
            job.objective,
            state.optimizer,
            job.schedule,
            shard,
            start=start,
            precision=state.precision,
            additions=state.additions,
        )
        with progress(job.name, job.steps if shard.rank == 0 else 0) as show:
            throughput.begin()
            for step in trained:
                state.after_step(step.number)
                throughput.add(step.tokens)
                show(step.number)
                self._after_step(step, throughput)
                throughput.begin()
                if state.progress.finished:
                    break

    def _after_step(self, step: StepResult, throughput: Throughput) -> None:
        """Evaluate, save and report after a step, and set `finished` when training ends here."""
        import ray.train

        job, progress = self.job, self.state.progress
        evaluated = step.number in job.eval_steps
        if evaluated or step.number % CURVE_EVERY == 0:
            loss = loop.sum_over_workers(step.loss, self.state.model)
            measured = {"loss": loss, "learning_rate": step.learning_rate}
            tokens = throughput.read()
            pace = {"gradient_norm": step.gradient_norm, "tokens_per_second": tokens}
            if self.arithmetic:
                pace["flops_utilisation"] = self.arithmetic.utilisation(tokens)
            self.curves.log(job.name, step.number, {**measured, **pace})
            if evaluated:
                self._evaluate(step.number, measured)
        progress.finished = step.number == job.steps or progress.evals_without_gain >= job.patience
        if progress.finished or step.number % job.cfg.save_every == 0:
            tensors = self.state.tensors()
            # Else the newest checkpoint would be one that no training can go on from.
            if not all(bool(torch.isfinite(value).all()) for value in tensors["model"].values()):
                raise LossNotFinite(self._divergence(step.number))
            if ray.train.get_context().get_world_rank() == 0:
                job.checkpoints.save(step.number, tensors, progress.notes())
            # Every worker must report equally often, or Ray waits for ever.
            ray.train.report({"step": step.number, "loss": step.loss})

    def _evaluate(self, step: int, measured: Metrics) -> None:
        from ray.train import get_context
        from ray.train.collective import broadcast_from_rank_zero

        job, state = self.job, self.state
        # One worker's figures hold for all: the last digit could differ between two, and so the early stop.
        # Where weights are divided, all compute them.
        evaluates = get_context().get_world_rank() == 0 or is_divided(state.model)
        with state.averaged():
            metrics = broadcast_from_rank_zero(self._measured() if evaluates else {})
            if not all(map(math.isfinite, metrics.values())):
                raise LossNotFinite(self._divergence(step))
            state.progress.add({**metrics, **measured}, step, state.model)
        self.curves.log(job.name, step, {f"valid_{name}": value for name, value in metrics.items()})
        log.info(
            "training.evaluated",
            training=job.name,
            of=job.steps,
            **{name: round(value, 4) for name, value in state.progress.history[-1].items()},
        )

    def _measured(self) -> Metrics:
        """Return the metrics of the model; the score is no number where the model computed none."""
        with watched_outputs(self.state.model) as are_finite:
            metrics = self.job.objective.evaluate(self.state.model)
        return metrics if all(are_finite) else {**metrics, "score": math.nan}

    def _divergence(self, step: int) -> Divergence:
        """Name the texts of a step that left weights of which nothing can be computed."""
        rows = self.job.objective.texts(step - 1) if step else []
        return Divergence(step, tuple(sorted(row for texts in rows for row in texts)))
