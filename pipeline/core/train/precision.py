"""The precision of a training: float32, or half of the bits where the device has them.

Weights and optimizer stay in float32 (Micikevicius et al., 2018). float16 has few exponents, so its loss is
scaled before the gradient and a step whose gradient overflows is left out; bfloat16 needs no scale.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

PrecisionName = Literal["float32", "bfloat16", "float16"]
# A loss scale that fell so far has no overflow left to blame.
MIN_SCALE = 1.0


@dataclass
class Precision:
    """Hold a precision on a device, and the scale of the loss where it needs one."""

    name: PrecisionName
    device: str
    scaler: torch.amp.GradScaler | None = field(init=False)

    def __post_init__(self) -> None:
        self.scaler = torch.amp.GradScaler(self.device) if self.name == "float16" else None

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context of a forward pass."""
        if self.name == "float32":
            return nullcontext()
        return torch.autocast(self.device, dtype=getattr(torch, self.name))

    def backward(self, loss: Tensor) -> None:
        """Compute the gradient of a loss, scaled where this precision asks for it."""
        scaled = self.scaler.scale(loss) if self.scaler else loss
        scaled.backward()  # type: ignore[no-untyped-call]

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradient by the scale."""
        if self.scaler:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Change the weights, but not by a gradient that overflowed."""
        if self.scaler:
            self.scaler.step(optimizer)
            self.scaler.update()
        else:
            optimizer.step()

    @property
    def may_overflow(self) -> bool:
        """Return whether a gradient that is not finite is a matter of the scale, which will fall."""
        return self.scaler is not None and self.scaler.get_scale() > MIN_SCALE

    def state(self) -> dict[str, Tensor]:
        """Return the scale and its growth, for a checkpoint."""
        values = self.scaler.state_dict() if self.scaler else {}
        return {name: torch.tensor(float(value)) for name, value in values.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Continue with the scale of a checkpoint."""
        if self.scaler and state:
            values = {name: value.item() for name, value in state.items()}
            values["_growth_tracker"] = int(values["_growth_tracker"])
            values["growth_interval"] = int(values["growth_interval"])
            self.scaler.load_state_dict(values)


def precision_of(device: str) -> Precision:
    """Return the fastest precision of a device that learns as well as float32."""
    if device != "cuda":
        return Precision("float32", device)
    return Precision("bfloat16" if torch.cuda.is_bf16_supported() else "float16", device)
