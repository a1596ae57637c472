"""The section `gate`: what a candidate must reach to be released."""

from typing import Literal

from pydantic import Field

from pipeline.base.config.section import Fraction, PositiveFloat, PositiveInt, Section


class GateConfig(Section):
    """Set the thresholds of the gate's checks."""

    approval: Literal["none", "human"]
    against_champion: Literal["better", "not_worse"]
    # Not 0: no test can show that a candidate is not worse at all.
    champion_margin: float = Field(gt=0, le=1)
    slice_margin: Fraction
    forgetting_margin: Fraction
    ability_margin: Fraction
    attack_margin: Fraction
    anchors: int = Field(ge=0)
    looks: PositiveInt
    new_test_share: float = Field(gt=0, le=1)
    reserve: float = Field(ge=0, lt=1)
    min_macro_f1: Fraction
    baseline_margin: float
    abilities: dict[str, Fraction]
    max_attack_drop: Fraction
    max_calibration_error: Fraction
    max_p95_ms: PositiveFloat
    max_megabytes: PositiveFloat
    confidence: float = Field(gt=0.5, lt=1)
    power: float = Field(gt=0.5, lt=1)
    resamples: PositiveInt
    changed_listed: int = Field(ge=0)
    golden_tolerance: PositiveFloat
