"""The training loop: it yields each step; the caller evaluates, saves checkpoints and stops."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn

from pipeline.base.seeds import seed_for
from pipeline.core.train.batches import Batch
from pipeline.core.train.objectives import Objective
from pipeline.core.train.optimizer import learning_rate_at


@dataclass(frozen=True)
class Schedule:
    """Set the number of steps, the learning rate over them, and the largest norm of a gradient."""

    steps: int
    learning_rate: float
    warmup_ratio: float
    max_grad_norm: float


@dataclass(frozen=True)
class WorkerShard:
    """Identify the texts of a batch that this worker takes, and how many fit its memory at once."""

    rank: int
    workers: int
    micro_batch: int

    def micro_batches(self, batch: Batch) -> Iterator[Batch]:
        """Yield this worker's texts in pieces that fit its memory, equally many on every worker.

        Workers synchronize after each piece; one without texts left yields a piece of no weight.
        """
        shard = batch.rows(slice(self.rank, None, self.workers))
        largest = -(-len(batch) // self.workers)
        pieces = -(-largest // self.micro_batch)
        for number in range(pieces):
            piece = shard.rows(slice(number, None, pieces))
            yield piece if len(piece) else replace(batch.rows(slice(0, 1)), weight=math.inf)


@dataclass(frozen=True)
class StepResult:
    """Hold a finished step: its number from 1, this worker's part of the loss, the learning rate."""

    number: int
    loss: float
    learning_rate: float


def fit(
    model: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    shard: WorkerShard,
    *,
    start: int = 0,
) -> Iterator[StepResult]:
    """Train from step `start` to the end of the schedule, and yield each step when it is done.

    Random numbers are seeded at every step, so a resumed run equals one that never stopped.
    """
    device = next(model.parameters()).device
    model.train()
    for step in range(start, schedule.steps):
        torch.manual_seed(seed_for(objective.seed, "dropout", step, shard.rank))
        learning_rate = learning_rate_at(
            step, steps=schedule.steps, peak=schedule.learning_rate, warmup_ratio=schedule.warmup_ratio
        )
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for piece in shard.micro_batches(objective.batch(step)):
            # DDP averages over workers; times their number it is the sum, and the weight of the batch divides
            # it.
            piece_loss = objective.loss(model, piece.to(device)) * shard.workers
            piece_loss.backward()  # type: ignore[no-untyped-call]
            loss += float(piece_loss.detach()) / shard.workers
        torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.max_grad_norm)
        optimizer.step()
        yield StepResult(step + 1, loss, learning_rate)
