"""The training loop: it yields each step; the caller evaluates, saves checkpoints and stops."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from pipeline.base.seeds import seed_for
from pipeline.core.methods.adversarial import Adversarial
from pipeline.core.methods.rank_budget import RankBudget
from pipeline.core.train.batches import Batch
from pipeline.core.train.objectives import Objective
from pipeline.core.train.optimizer import learning_rate_at
from pipeline.core.train.precision import Precision
from pipeline.core.train.sharding import whole

SHOWN = 10
# The rows of training texts to their ids.
FindIds = Callable[[Sequence[int]], Sequence[str]]


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
class StepAdditions:
    """Hold what a method of fine-tuning adds to a step: passes over perturbed texts, a penalty of ranks."""

    adversarial: Adversarial | None = None
    ranks: RankBudget | None = None

    def losses(self, model: nn.Module, objective: Objective, batch: Batch, *, step: int) -> Iterator[Tensor]:
        """Yield losses to be differentiated one after the other; their sum is the loss of the batch."""
        if self.adversarial is None:
            yield objective.loss(model, batch)
        else:
            seed = seed_for(objective.seed, "perturbation", step)
            yield from self.adversarial.losses(lambda: objective.loss(model, batch), seed=seed)

    @property
    def passes(self) -> int:
        """Return the number of losses of a batch."""
        return self.adversarial.passes if self.adversarial else 1


NOTHING_ADDED = StepAdditions()


@dataclass(frozen=True)
class StepResult:
    """Hold a finished step: its number from 1, this worker's part of the loss, rate, norm, all tokens."""

    number: int
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int


@dataclass(frozen=True)
class Divergence:
    """Hold the step, from 1, whose gradient is not finite, and the rows of its texts that cause it."""

    step: int
    rows: tuple[int, ...]

    def sentence(
        self,
        training: str,
        learning_rate: float,
        *,
        kept: int,
        ids: FindIds | None = None,
    ) -> str:
        """Say what happened, what is kept, and what to do.

        `kept` is the step of the newest checkpoint; `ids` returns the ids of texts by their rows.
        """
        if not self.rows:
            return (
                f"{training}: what the model computes before the first step is no finite number. Choose "
                "another `start` under `encoder` in params.yaml, then type `tonewatch run` again."
            )
        named = [str(one) for one in (ids(self.rows) if ids else self.rows)]
        more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        return (
            f"{training}: the loss of step {self.step} is not finite. "
            f"{'Ids' if ids else 'Rows'} of its training texts{'' if ids else ', from 0'}: "
            f"{', '.join(named[:SHOWN])}{more}. The checkpoint of step {kept} is kept. "
            f"Write a `learning_rate` below {learning_rate:g} for this training in params.yaml, or correct "
            "those texts, then type `tonewatch run` again."
        )


class LossNotFinite(Exception):
    """The gradient of a step is not finite; the weights are those of the step before."""

    def __init__(self, divergence: Divergence) -> None:
        super().__init__(divergence)
        self.divergence = divergence


def fit(
    model: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    shard: WorkerShard,
    *,
    start: int = 0,
    precision: Precision | None = None,
    additions: StepAdditions = NOTHING_ADDED,
) -> Iterator[StepResult]:
    """Train from step `start` to the end of the schedule, and yield each step when it is done.

    Random numbers are seeded at every step, so a resumed run equals one that never stopped. Raises
    LossNotFinite, on every worker at once, before the step would spoil the weights.
    """
    device = next(model.parameters()).device
    precision = precision or Precision("float32", device.type)
    model.train()
    for step in range(start, schedule.steps):
        torch.manual_seed(seed_for(objective.seed, "dropout", step, shard.rank))
        learning_rate = learning_rate_at(
            step, steps=schedule.steps, peak=schedule.learning_rate, warmup_ratio=schedule.warmup_ratio
        )
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * group.get("rate_factor", 1.0)
        optimizer.zero_grad(set_to_none=True)
        batch = objective.batch(step)
        loss = _accumulate(model, objective, batch, _Pieces(shard, precision, additions, step))
        precision.unscale(optimizer)
        if additions.ranks:
            additions.ranks.add_penalty()
        norm = float(whole(torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.max_grad_norm)))
        # The gradient is that of all workers, so all of them stop, and none waits for another.
        if not (math.isfinite(norm) or precision.may_overflow):
            raise LossNotFinite(_divergence(model, objective, batch, step))
        precision.step(optimizer)
        yield StepResult(step + 1, loss, learning_rate, norm, batch.tokens)


@dataclass(frozen=True)
class _Pieces:
    """Hold how the batch of a step is divided, and its losses differentiated."""

    shard: WorkerShard
    precision: Precision
    additions: StepAdditions
    step: int


def _accumulate(model: nn.Module, objective: Objective, batch: Batch, how: _Pieces) -> float:
    """Add the gradients of this worker's pieces, and return its part of the loss."""
    device = next(model.parameters()).device
    pieces = list(how.shard.micro_batches(batch))
    workers, passes = how.shard.workers, how.additions.passes
    loss = 0.0
    for number, piece in enumerate(pieces, 1):
        losses = how.additions.losses(model, objective, piece.to(device), step=how.step)
        for turn in range(1, passes + 1):
            with _synchronized(model, last=(number, turn) == (len(pieces), passes)):
                # DDP and FSDP average over workers; times their number it is the sum, and the weight of
                # the batch divides it.
                with how.precision.autocast():
                    piece_loss = next(losses) * workers
                how.precision.backward(piece_loss)
            loss += float(piece_loss.detach()) / workers
        # The perturbation is taken off.
        next(losses, None)
    return loss


def _synchronized(model: nn.Module, *, last: bool) -> AbstractContextManager[None]:
    """Let workers exchange gradients with the last piece alone, once a step."""
    compiled = getattr(model, "_orig_mod", model)
    if isinstance(compiled, FSDPModule):
        compiled.set_requires_gradient_sync(last)
    if last or not isinstance(compiled, DistributedDataParallel):
        return nullcontext()
    return compiled.no_sync()


def _divergence(model: nn.Module, objective: Objective, batch: Batch, step: int) -> Divergence:
    """Find the texts whose loss alone is not finite; all of the batch where it is only their sum."""
    device = next(model.parameters()).device
    rows = objective.texts(step)
    with torch.no_grad():
        bad = [
            number
            for number in range(len(batch))
            if not torch.isfinite(
                objective.loss(model, batch.rows(slice(number, number + 1)).to(device))
            ).item()
        ]
    chosen = [row for number in bad or range(len(batch)) for row in rows[number]]
    return Divergence(step + 1, tuple(sorted(chosen)))


def sum_over_workers(loss: float, model: nn.Module) -> float:
    """Return the sum of the parts of a loss; alone, this worker's is all of it."""
    if not torch.distributed.is_initialized():
        return loss
    total = torch.tensor(loss, device=next(model.parameters()).device)
    torch.distributed.all_reduce(total)
    return float(total)
