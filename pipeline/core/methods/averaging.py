"""The mean of the weights over steps, which is evaluated and kept in place of the last ones.

An exponential mean, or that of the last steps (Polyak & Juditsky, 1992; Izmailov et al., 2018).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn


class WeightAverage:
    """Hold the mean of the weights that are trained; `share` of all steps is how far it reaches back.

    `ema`: the newest step weighs one in that many steps, and more as long as fewer are done. `last`: the
    steps of that share count alike, and none before.
    """

    def __init__(self, model: nn.Module, kind: Literal["ema", "last"], *, share: float, steps: int) -> None:
        self._weights = {name: one for name, one in model.named_parameters() if one.requires_grad}
        self._kind = kind
        self._reach = max(1, round(share * steps))
        self._steps = steps
        self._mean: dict[str, Tensor] = {}

    def after_step(self, step: int) -> None:
        """Add the weights as they are after a step, from 1."""
        number = step if self._kind == "ema" else step - (self._steps - self._reach)
        if number < 1:
            return
        with torch.no_grad():
            for name, weight in self._weights.items():
                if number == 1:
                    self._mean[name] = weight.detach().clone()
                else:
                    self._mean[name].lerp_(weight, 1 / min(number, self._reach))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the mean in place of its weights, as long as there is one."""
        latest = {name: self._weights[name].detach().clone() for name in self._mean}
        self._copy(self._mean)
        try:
            yield
        finally:
            self._copy(latest)

    def state(self) -> dict[str, Tensor]:
        """Return the mean, for a checkpoint."""
        return dict(self._mean)

    def load(self, state: dict[str, Tensor]) -> None:
        """Continue with the mean of a checkpoint."""
        self._mean = {name: value.to(self._weights[name].device).clone() for name, value in state.items()}

    def _copy(self, values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in values.items():
                self._weights[name].copy_(value)
