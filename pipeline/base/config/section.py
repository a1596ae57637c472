"""The base class of every section: strict, frozen, no unknown key, no default."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Section(BaseModel):
    """Reject unknown keys and later changes; a default would repeat a number of params.yaml."""

    # Labels such as 1 to 5 are strings here, and numbers to YAML.
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), coerce_numbers_to_str=True
    )


class OptimizerConfig(Section):
    """Set what every training needs: pretraining, fine-tuning and the recovery of a pruned variant."""

    batch_size: PositiveInt
    learning_rate: PositiveFloat
    warmup_ratio: Fraction
    weight_decay: float = Field(ge=0)
    max_grad_norm: PositiveFloat
    save_every: PositiveInt
