"""Which weights of an encoder a method of fine-tuning trains; those of the head always are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pipeline.base.config import FinetuneConfig
from pipeline.base.errors import ConfigError
from pipeline.core.methods.adapters import ADAPTER_PARTS, add_adapters, require_adapters
from pipeline.core.methods.blocks import ABOVE_BLOCKS, blocks_of
from pipeline.core.model.encoder import empty_encoder

if TYPE_CHECKING:
    from pipeline.core.model.encoder import Encoder


@dataclass(frozen=True)
class WeightCounts:
    """Count the weights that are trained, and those of the model that is saved."""

    trained: int
    saved: int

    @property
    def share(self) -> float:
        """Return how many are trained for each one that is saved."""
        return self.trained / self.saved


def choose_weights(encoder: "Encoder", cfg: FinetuneConfig, *, seed: int) -> None:
    """Freeze the weights that `cfg.method` does not train, and add the adapters that it trains.

    The backward pass ends at the lowest weight that is trained.
    """
    if cfg.method in ("full", "contrastive", "prompt"):
        return
    encoder.requires_grad_(False)
    if cfg.has_adapters:
        add_adapters(encoder, cfg.lora, adaptive=cfg.method == "adalora", seed=seed)
    if cfg.top_blocks:
        blocks_of(encoder)[-cfg.top_blocks :].requires_grad_(True)
        for name, weight in encoder.named_parameters():
            if name.startswith(ABOVE_BLOCKS):
                weight.requires_grad_(True)


def require_method(config: Mapping[str, Any], cfg: FinetuneConfig) -> None:
    """Raise ConfigError where an encoder of this config has not the blocks or matrices of the method."""
    # Without memory for the weights: only their places are asked for.
    with torch.device("meta"):
        encoder = empty_encoder(config)
    blocks = len(blocks_of(encoder))
    if (cfg.top_blocks or 0) > blocks:
        raise ConfigError(
            f"finetune.method: `{cfg.method}` asks for {cfg.top_blocks} blocks, and this encoder has "
            f"{blocks}. Write `method: top:{blocks}` or less into params.yaml, or `method: full`."
        )
    if cfg.has_adapters:
        require_adapters(encoder, cfg.lora)


def count_weights(model: nn.Module) -> WeightCounts:
    """Count the weights of a model as it is before the first step."""
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    saved = sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if not any(part.startswith(ADAPTER_PARTS) for part in name.split("."))
    )
    return WeightCounts(trained, saved)
