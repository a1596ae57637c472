"""The section `compress`: the menu of variants, and the budget that chooses from it."""

from typing import Annotated

from pydantic import Field, model_validator

from pipeline.base.config.section import (
    Fraction,
    PositiveFloat,
    PositiveInt,
    Section,
    Slug,
)
from pipeline.base.config.training import OptimizerConfig

KeptShare = Annotated[float, Field(gt=0, le=1)]


class VariantConfig(Section):
    """Set how one variant is made from the teacher: the share kept of each part, and the precision."""

    name: Slug
    vocabulary_min_count: PositiveInt | None
    layers: KeptShare
    heads: KeptShare
    feed_forward: KeptShare
    int8: bool

    @property
    def pruned(self) -> bool:
        """Return whether layers, heads or channels are removed, which makes recovery necessary."""
        return min(self.layers, self.heads, self.feed_forward) < 1

    @property
    def uncompressed(self) -> bool:
        """Return whether the variant is the teacher itself."""
        return not (self.pruned or self.int8 or self.vocabulary_min_count)


class RecoveryConfig(OptimizerConfig):
    """Set how a pruned variant is distilled from the teacher."""

    steps: PositiveInt
    temperature: PositiveFloat
    label_weight: Fraction


class Int8Config(Section):
    """Set how matrices and the activations between them are quantized to int8."""

    calibration_texts: PositiveInt
    smoothing: Fraction
    outliers: PositiveInt


class CompressionBudget(Section):
    """Set the limits of a variant that may be served; the smallest within them is chosen.

    Each limit is compared with a bound of this one-sided confidence, from this many bootstrap resamples.
    """

    max_f1_drop: Fraction
    max_slice_drop: Fraction
    min_agreement: Fraction
    max_megabytes: PositiveFloat
    confidence: float = Field(gt=0.5, lt=1)
    resamples: PositiveInt


class CompressConfig(Section):
    """Set the menu of variants and the rule that chooses from it."""

    menu: tuple[VariantConfig, ...] = Field(min_length=1)
    importance_texts: PositiveInt
    recovery: RecoveryConfig
    int8: Int8Config
    budget: CompressionBudget
    benchmark_texts: PositiveInt
    uncertain_share: Fraction

    @model_validator(mode="after")
    def _teacher_is_on_the_menu(self) -> "CompressConfig":
        names = [variant.name for variant in self.menu]
        if len(set(names)) < len(names):
            raise ValueError(f"compress.menu names a variant twice: {', '.join(names)}")
        if not any(variant.uncompressed for variant in self.menu):
            raise ValueError(
                "compress.menu needs one uncompressed variant: all shares 1.0, no vocabulary cut, int8 false"
            )
        return self

    @property
    def teacher(self) -> str:
        """Return the name of the uncompressed variant."""
        return next(variant.name for variant in self.menu if variant.uncompressed)
