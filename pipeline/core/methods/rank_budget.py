"""The ranks of AdaLoRA: matrices that matter more keep more of them (Zhang et al., 2023).

An adapter is P·diag(E)·Q. While the budget falls from the first ranks to the last, the least important
entries of E become 0; a penalty keeps the columns of P and the rows of Q orthogonal, so that an entry of E
stands for itself.
"""

import torch
from torch import Tensor, nn

from pipeline.base.errors import ConfigError
from pipeline.core.methods.adapters import ADAPTER, first_rank

# Of all steps: those before the budget falls, and those after it. The paper's experiments lie around these.
BEFORE, AFTER = 0.1, 0.3
# Budgets while it falls: an allocation sorts all entries.
ALLOCATIONS = 100
MIN_STEPS = 10
ORTHOGONALITY = 0.1
MEAN, SPREAD, LEFT = "mean.", "spread.", "left."


class RankBudget:
    """Hold the importance of the entries of E, and change the adapters of a model after each step."""

    def __init__(self, model: nn.Module, *, rank: int, steps: int) -> None:
        from peft import AdaLoraConfig
        from peft.tuners.adalora.layer import RankAllocator

        before, self._after = round(BEFORE * steps), round(AFTER * steps)
        config = AdaLoraConfig(
            target_r=rank,
            init_r=first_rank(rank),
            tinit=before,
            tfinal=self._after,
            deltaT=max(1, (steps - before - self._after) // ALLOCATIONS),
            total_step=steps,
        )
        self._model, self._steps = model, steps
        self._allocator = RankAllocator(model, config, ADAPTER)
        self._left: dict[str, list[bool]] = {}

    def add_penalty(self) -> None:
        """Add the gradient of the penalty to that of the loss; it is the same on every worker."""
        matrices = [
            weight
            for name, weight in self._model.named_parameters()
            if weight.requires_grad and (f"lora_A.{ADAPTER}" in name or f"lora_B.{ADAPTER}" in name)
        ]
        penalty = torch.stack([_distance_from_orthogonal(matrix) for matrix in matrices]).mean()
        # Not by backward: workers would exchange the gradient once more.
        gradients = torch.autograd.grad(ORTHOGONALITY * penalty, matrices)
        for matrix, gradient in zip(matrices, gradients, strict=True):
            if matrix.grad is not None:
                matrix.grad.add_(gradient)

    def after_step(self, step: int) -> None:
        """Measure the importance by the gradient of a step, from 1; set entries beyond the budget to 0."""
        last = self._steps - self._after
        if step > last:
            self._allocator.mask_using_rank_pattern(self._model, self._left)
        elif step == last or self._is_finite():
            _, left = self._allocator.update_and_allocate(self._model, step, force_mask=step == last)
            self._left = left or self._left

    def state(self) -> dict[str, Tensor]:
        """Return the importance and the entries that are left, for a checkpoint."""
        left = {name: torch.tensor(kept) for name, kept in self._left.items()}
        groups = {
            MEAN: self._allocator.exp_avg_ipt,
            SPREAD: self._allocator.exp_avg_unc,
            LEFT: left,
        }
        return {f"{kind}{name}": value for kind, group in groups.items() for name, value in group.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Continue with the importance of a checkpoint."""
        device = next(self._model.parameters()).device
        mean, spread, left = (
            {name.removeprefix(kind): value for name, value in state.items() if name.startswith(kind)}
            for kind in (MEAN, SPREAD, LEFT)
        )
        self._allocator.exp_avg_ipt = {name: value.to(device) for name, value in mean.items()}
        self._allocator.exp_avg_unc = {name: value.to(device) for name, value in spread.items()}
        # The allocator takes the names it holds as begun.
        self._allocator.ipt = {name: torch.zeros_like(value) for name, value in mean.items()}
        self._left = {name: value.tolist() for name, value in left.items()}

    def _is_finite(self) -> bool:
        """Return whether the gradient may count; one that overflowed in half precision may not."""
        return all(
            bool(torch.isfinite(weight.grad).all())
            for name, weight in self._model.named_parameters()
            if "lora_" in name and weight.grad is not None
        )


def require_steps(steps: int, *, longer: str) -> None:
    """Raise ConfigError where a training is too short for the budget to fall; `longer` makes it longer."""
    if steps < MIN_STEPS:
        raise ConfigError(
            f"finetune.method: `adalora` needs {MIN_STEPS} steps to divide its ranks, and the training has "
            f"{steps}. Write a larger `{longer}` under `finetune` in params.yaml, or `method: lora`."
        )


def _distance_from_orthogonal(matrix: Tensor) -> Tensor:
    """Return the Frobenius norm of M·Mᵀ - 1, where M has the ranks as rows."""
    rows = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    distance: Tensor = torch.linalg.norm(rows @ rows.T - torch.eye(len(rows), device=rows.device))
    return distance
