"""How fast a training is: tokens a second, and how much of the device's arithmetic they take."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pipeline.core.train.batches import Batch
from pipeline.core.train.objectives import Objective
from pipeline.core.train.precision import Precision

# Rows of the batch whose operations are counted.
COUNTED_ROWS = 8
# Of the square matrices that are multiplied: large enough for the device's best rate.
CPU_MATRIX, GPU_MATRIX = 1024, 8192
MULTIPLICATIONS = 5


@dataclass(frozen=True)
class Arithmetic:
    """Hold the floating-point operations of a token, and those that the device does in a second."""

    operations: float
    rate: float

    def utilisation(self, tokens_per_second: float) -> float:
        """Return the share of the device's rate that so many tokens take (MFU; Chowdhery et al., 2022)."""
        return tokens_per_second * self.operations / self.rate


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


def measure_arithmetic(
    model: nn.Module,
    objective: Objective,
    precision: Precision,
    clock: Callable[[], float],
    *,
    passes: int = 1,
) -> Arithmetic:
    """Count the operations of a token, forward and backward, and measure those of the device.

    `passes` is the number of losses of a batch; the clock counts seconds. Leaves no gradient, and the random
    numbers as they were.
    """
    device = next(model.parameters()).device
    batch = objective.batch(0).rows(slice(0, COUNTED_ROWS)).to(device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        operations = passes * _operations(model, objective, batch) / batch.tokens_BT.numel()
    return Arithmetic(operations, matmul_rate(device, precision, clock))


def _operations(model: nn.Module, objective: Objective, batch: Batch) -> int:
    # Fused attention on a processor is not counted, plain products are.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        objective.loss(model, batch).backward()  # type: ignore[no-untyped-call]
    model.zero_grad(set_to_none=True)
    return int(counter.get_total_flops())


def matmul_rate(device: torch.device, precision: Precision, clock: Callable[[], float]) -> float:
    """Return the floating-point operations a second of the fastest of a few products of two matrices."""
    size = GPU_MATRIX if device.type == "cuda" else CPU_MATRIX
    dtype = getattr(torch, precision.name)
    left, right = (torch.full((size, size), 0.5, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in itertools.repeat(None, MULTIPLICATIONS):
        _finish(device)
        start = clock()
        left @ right
        _finish(device)
        seconds.append(clock() - start)
    return 2.0 * size**3 / min(seconds)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
