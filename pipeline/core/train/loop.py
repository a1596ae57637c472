"""The training loop: it yields, and whoever calls it listens, saves, judges and stops."""

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
    """Say how long and how fast to train."""

    steps: int
    learning_rate: float
    warmup_ratio: float
    max_grad_norm: float


@dataclass(frozen=True)
class WorkerShard:
    """Say which texts of a batch this worker takes, and how many at once."""

    rank: int
    workers: int
    micro_batch: int

    def parts(self, batch: Batch) -> Iterator[Batch]:
        """Give this worker's texts in pieces that fit its memory, equally many on every worker: each piece is a meeting.

        A worker that has no text left comes with one that weighs nothing.
        """
        mine = batch.rows(slice(self.rank, None, self.workers))
        largest = -(-len(batch) // self.workers)
        pieces = -(-largest // self.micro_batch)
        for piece in range(pieces):
            part = mine.rows(slice(piece, None, pieces))
            yield part if len(part) else replace(batch.rows(slice(0, 1)), weight=math.inf)


@dataclass(frozen=True)
class StepResult:
    """Hold what one step was: its number from 1, this worker's part of the loss, the rate, the gradient's norm."""

    number: int
    loss: float
    rate: float
    norm: float


def fit(
    model: nn.Module,
    method: Objective,
    optimizer: torch.optim.Optimizer,
    course: Schedule,
    share: WorkerShard,
    *,
    start: int = 0,
) -> Iterator[StepResult]:
    """Train from step `start` to the end of the course, giving each step when it is done.

    Chance is seeded anew at every step, so a run that continues equals one that never stopped.
    """
    device = next(model.parameters()).device
    model.train()
    for step in range(start, course.steps):
        torch.manual_seed(seed_for(method.seed, "dropout", step, share.rank))
        rate = learning_rate_at(
            step, steps=course.steps, peak=course.learning_rate, warmup_ratio=course.warmup_ratio
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for part in share.parts(method.batch(step)):
            # DDP averages over workers; times their number it is the sum, and the batch's weight has divided already.
            piece = method.loss(model, part.to(device)) * share.workers
            piece.backward()  # type: ignore[no-untyped-call]
            loss += float(piece.detach()) / share.workers
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), course.max_grad_norm))
        optimizer.step()
        yield StepResult(step + 1, loss, rate, norm)
