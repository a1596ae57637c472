"""What is added to each step of a training."""

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from pipeline.base.config import FinetuneConfig, PerturbationConfig
from pipeline.core.methods.adversarial import Adversarial
from pipeline.core.methods.averaging import WeightAverage
from pipeline.core.methods.rank_budget import RankBudget, require_steps


@dataclass(frozen=True)
class Recipe:
    """Say what a training adds to each step; as it stands, nothing.

    `layer_decay` divides the learning rate from each block to the one below, `rank` is that of AdaLoRA.
    `average_share` of the steps is how far the mean of the weights reaches back.
    """

    layer_decay: float = 1.0
    adversarial: Literal["none", "fgm", "freelb"] = "none"
    perturbation: PerturbationConfig | None = None
    average: Literal["none", "ema", "last"] = "none"
    average_share: float = 0.0
    rank: int | None = None
    # The setting that makes a training longer.
    longer: Literal["min_steps", "epochs"] = "min_steps"

    @classmethod
    def of(cls, cfg: FinetuneConfig) -> "Recipe":
        """Return what the section `finetune` of params.yaml asks for."""
        return cls(
            cfg.layer_decay,
            cfg.adversarial,
            cfg.perturbation,
            cfg.average,
            cfg.average_share,
            cfg.lora.rank if cfg.method == "adalora" else None,
            "min_steps" if cfg.start == "encoder" else "epochs",
        )

    def require_steps(self, steps: int) -> None:
        """Raise ConfigError where a training of so many steps is too short for the recipe."""
        if self.rank:
            require_steps(steps, longer=self.longer)

    def perturbing(self, model: nn.Module) -> Adversarial | None:
        """Return the passes over perturbed texts of a model on an encoder."""
        if self.adversarial == "none" or self.perturbation is None:
            return None
        encoder: Any = model.encoder
        return Adversarial(encoder, self.adversarial, self.perturbation)

    def averaging(self, model: nn.Module, steps: int) -> WeightAverage | None:
        """Return the mean of the weights of a model."""
        if self.average == "none":
            return None
        return WeightAverage(model, self.average, share=self.average_share, steps=steps)

    def dividing_ranks(self, model: nn.Module, steps: int) -> RankBudget | None:
        """Return the budget of the ranks of a model with adapters of AdaLoRA."""
        return RankBudget(model, rank=self.rank, steps=steps) if self.rank else None


PLAIN = Recipe()


def finetuning_steps(cfg: FinetuneConfig, *, steps_per_epoch: int) -> int:
    """Return the number of steps of a fine-tuning."""
    # A few new texts, read again and again, would push out what the champion knows.
    fewest = cfg.min_steps if cfg.start == "encoder" else 1
    return max(fewest, cfg.epochs * steps_per_epoch)
