"""Adapters: low-rank changes of the matrices of an encoder, trained in place of the matrices.

LoRA: Hu et al., 2022. AdaLoRA: Zhang et al., 2023.
"""

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipeline.base.config import LoraConfig
from pipeline.base.errors import ConfigError
from pipeline.base.seeds import seed_for
from pipeline.core.methods.blocks import matrices_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.core.model.encoder import Encoder

# AdaLoRA begins with so much more rank than it ends with, as in the paper.
FIRST_RANK = 1.5
ADAPTER = "default"
# What begins the name of a weight of an adapter, and of the count of its ranks.
ADAPTER_PARTS = ("lora_", "ranknum")


def add_adapters(encoder: "Encoder", cfg: LoraConfig, *, adaptive: bool, seed: int) -> None:
    """Freeze an encoder and add adapters to its matrices; at first they change nothing.

    With `adaptive` they are those of AdaLoRA. Raises ConfigError where a target is no matrix of the blocks.
    """
    from peft import AdaLoraConfig, inject_adapter_in_model
    from peft import LoraConfig as PeftConfig

    common: dict[str, Any] = {
        "target_modules": target_paths(encoder, cfg),
        "lora_alpha": cfg.alpha,
        "lora_dropout": cfg.dropout,
    }
    torch.manual_seed(seed_for(seed, "adapters"))
    if adaptive:
        # Its schedule is that of RankBudget; the number of steps is asked for, and not used here.
        config = AdaLoraConfig(**common, init_r=first_rank(cfg.rank), total_step=1)
    else:
        config = PeftConfig(**common, r=cfg.rank)
    inject_adapter_in_model(config, encoder, ADAPTER)
    if adaptive:
        _begin_orthonormal(encoder)


def target_paths(encoder: "Encoder", cfg: LoraConfig) -> list[str]:
    """Return the paths of the matrices that get an adapter: those whose name ends with a target.

    Raises ConfigError that names the matrices there are.
    """
    matrices = list(matrices_of(encoder))
    if cfg.targets == "all":
        return [path for path, _ in matrices]
    names = sorted({name for _, name in matrices})
    unknown = [one for one in cfg.targets if not any(_is_called(name, one) for name in names)]
    if unknown:
        raise ConfigError(
            f"finetune.lora.targets: no matrix of this encoder is called {', '.join(unknown)}. Write `all` "
            f"into params.yaml, or some of these: {', '.join(names)}."
        )
    return [path for path, name in matrices if any(_is_called(name, one) for one in cfg.targets)]


def require_adapters(encoder: "Encoder", cfg: LoraConfig) -> None:
    """Raise ConfigError where a target is no matrix of an encoder, or the rank is above that of all."""
    paths = target_paths(encoder, cfg)
    largest = max(min(encoder.get_parameter(f"{path}.weight").shape) for path in paths)
    if cfg.rank > largest:
        raise ConfigError(
            f"finetune.lora.rank is {cfg.rank:,}, and no matrix that gets an adapter has a rank above "
            f"{largest:,}. Write `rank: {largest}` or less into params.yaml, or `method: full`."
        )


def first_rank(rank: int) -> int:
    """Return the rank that AdaLoRA begins with, above the mean rank that it ends with."""
    return max(rank + 1, math.ceil(FIRST_RANK * rank))


def merged_weights(model: nn.Module, weights: "Mapping[str, Tensor]") -> dict[str, Tensor]:
    """Return the weights of a model with its adapters added to its matrices, by the names it has without.

    `model` is built as the one that was trained, and has no adapters afterwards.
    """
    model.load_state_dict(dict(weights))
    merge_adapters(model)
    return model.state_dict()


def merge_adapters(model: nn.Module) -> None:
    """Add each adapter to its matrix, in place, and take it off."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = [(path, part) for path, part in model.named_modules() if isinstance(part, BaseTunerLayer)]
    for path, part in adapted:
        part.merge()
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, part.get_base_layer())
    for module in model.modules():
        if hasattr(module, "peft_config"):
            del module.peft_config


def _begin_orthonormal(encoder: "Encoder") -> None:
    """Make the singular vectors of AdaLoRA's adapters orthonormal, and scale their singular values.

    The method takes the vectors for orthonormal, and peft begins with short ones: a few hundred steps then
    change next to nothing. A step of Adam moves a singular value by one learning rate, and a column of LoRA,
    of `d` entries, by `sqrt(d)` of them; so each value counts `sqrt(d)`.
    """
    from peft.tuners.adalora.layer import AdaLoraLayer

    for part in encoder.modules():
        if isinstance(part, AdaLoraLayer):
            nn.init.orthogonal_(part.lora_A[ADAPTER])
            nn.init.orthogonal_(part.lora_B[ADAPTER])
            part.scaling[ADAPTER] *= math.sqrt(len(part.lora_B[ADAPTER]))


def _is_called(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
