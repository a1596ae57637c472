"""A training of the small objective, on this process or on workers, and the losses of its steps."""

import sys

from pipeline.base.config import OptimizerConfig
from pipeline.core.methods.recipe import PLAIN
from pipeline.core.train.jobs import TrainingJob, WorkerResources
from pipeline.core.train.loop import Schedule, fit
from pipeline.core.train.optimizer import make_optimizer
from pipeline.io.checkpoints import CheckpointFolder


def job(objective, root, *, steps=12, eval_steps=(6, 12), patience=5, every=4, recipe=PLAIN):
    return TrainingJob(
        name="finetune",
        objective=objective,
        cfg=OptimizerConfig(
            batch_size=16,
            learning_rate=3e-3,
            warmup_ratio=0.1,
            weight_decay=0.01,
            max_grad_norm=1.0,
            save_every=every,
        ),
        steps=steps,
        eval_steps=frozenset(eval_steps),
        patience=patience,
        checkpoints=CheckpointFolder(root, "a" * 64),
        recipe=recipe,
    )


def resources(root, workers=0):
    return WorkerResources(
        device="cpu", workers=workers, micro_batch=64, threads=1, storage=str(root / "ray")
    )


def send_by_value(kind):
    """Let Ray send the classes of a test's module themselves: its workers cannot import the module."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[kind.__module__])


def losses_of(objective, shard, model=None):
    """Return this worker's part of the loss of each of 12 steps."""
    model = model or objective.build_model()
    schedule = Schedule(steps=12, learning_rate=3e-3, warmup_ratio=0.1, max_grad_norm=1.0)
    optimizer = make_optimizer(model, weight_decay=0.01)
    return [step.loss for step in fit(model, objective, optimizer, schedule, shard)]
