"""The sections `evaluate` and `gate`: how a candidate is measured, and what it must reach to be released."""

import re
from typing import Literal

from pydantic import Field, model_validator

from pipeline.base.config.section import Fraction, PositiveFloat, PositiveInt, Section, Slug

# What a template is filled with, and what `addition` adds to it.
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
ADDITION = re.compile(r"\[([^\[\]]*)\]")


class TfidfConfig(Section):
    """Set the bag-of-words baseline."""

    max_ngram: PositiveInt
    min_count: PositiveInt
    regularization_c: PositiveFloat
    max_iterations: PositiveInt


class FrozenEncoderConfig(Section):
    """Set the logistic regression on the encoder that fine-tuning starts from, fitted on so many texts."""

    max_texts: PositiveInt
    regularization_c: PositiveFloat
    max_iterations: PositiveInt


class Ability(Section):
    """Describe one ability by templates; `{noun}` is filled from the list of that name under `words`.

    minimum: every text must get the label `expect`. invariance: the changed text must keep the label of
    the plain one. direction: in the changed text the label `expect` must become more probable.
    `change` names what is done to the plain text, null for `minimum`: `addition` adds what the template has
    in [square brackets], `names` puts another word of the list `name` in place of `{name}`, `emoji` appends
    one of the list `emoji`.
    """

    name: Slug
    kind: Literal["minimum", "invariance", "direction"]
    templates: tuple[str, ...] = Field(min_length=1)
    expect: str | None
    change: Literal["addition", "names", "typos", "case", "punctuation", "emoji"] | None

    @model_validator(mode="after")
    def _keys_fit_the_kind(self) -> "Ability":
        if (self.kind == "invariance") != (self.expect is None):
            raise ValueError(f"ability {self.name}: `expect` names a label, or is null for an invariance")
        if (self.kind == "minimum") != (self.change is None):
            raise ValueError(f"ability {self.name}: `change` names a change, or is null for a minimum")
        for template in self.templates:
            if (self.change == "addition") != bool(ADDITION.search(template)):
                raise ValueError(
                    f"ability {self.name}: {template!r} needs [a part] to add if `change` is addition, "
                    "and none otherwise"
                )
            if self.change == "names" and "{name}" not in template:
                raise ValueError(f"ability {self.name}: {template!r} needs a {{name}} to change")
        return self


class BehaviourConfig(Section):
    """Set the behaviour suites: the words that fill the templates, and the abilities."""

    max_cases: PositiveInt
    words: dict[str, tuple[str, ...]]
    abilities: tuple[Ability, ...]

    @model_validator(mode="after")
    def _every_template_can_be_filled(self) -> "BehaviourConfig":
        names = [ability.name for ability in self.abilities]
        if len(set(names)) < len(names):
            raise ValueError(f"evaluate.behaviour.abilities names an ability twice: {', '.join(names)}")
        for ability in self.abilities:
            nouns = {noun for template in ability.templates for noun in PLACEHOLDER.findall(template)}
            needed = dict.fromkeys(nouns, 1)
            if ability.change == "names":
                needed["name"] = 2  # a name is replaced by another one
            if ability.change == "emoji":
                needed["emoji"] = 1
            short = sorted(noun for noun, n in needed.items() if len(set(self.words.get(noun, ()))) < n)
            if short:
                raise ValueError(
                    f"ability {ability.name}: too few words under evaluate.behaviour.words for: "
                    f"{', '.join(short)}"
                )
        return self


class AttackConfig(Section):
    """Limit the character-level attack."""

    texts: PositiveInt
    edits: PositiveInt
    tries: PositiveInt


class EvaluateConfig(Section):
    """Set intervals, slices, calibration, behaviour, attack and baselines."""

    resamples: PositiveInt
    confidence: float = Field(gt=0.5, lt=1)
    calibration_bins: PositiveInt
    min_slice_texts: PositiveInt
    length_bands: tuple[PositiveInt, ...]
    negations: tuple[str, ...]
    behaviour: BehaviourConfig
    attack: AttackConfig
    vader_thresholds: tuple[float, ...] | None
    tfidf: TfidfConfig
    frozen_encoder: FrozenEncoderConfig | None

    @model_validator(mode="after")
    def _bands_rise(self) -> "EvaluateConfig":
        if list(self.length_bands) != sorted(set(self.length_bands)):
            raise ValueError("evaluate.length_bands must rise")
        return self


class OrdinalLimits(Section):
    """Limit the errors of predictions on a scale, in steps of it, and how far they agree with the truth."""

    max_mean_error: PositiveFloat
    min_weighted_kappa: Fraction
    error_margin: float = Field(gt=0, lt=1)


class ItemLimits(Section):
    """Limit the F1 of each label where a text may have several, by the lower end of its interval."""

    min_label_f1: Fraction


class GenerationLimits(Section):
    """Limit the perplexity of references, and chrF of what is written, by the end that errs.

    `overlap_margin` is how much chrF or BLEU a candidate may lose against the champion.
    """

    max_perplexity: PositiveFloat
    min_chrf: Fraction
    overlap_margin: float = Field(gt=0, lt=1)


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
    ordinal: OrdinalLimits
    items: ItemLimits
    generation: GenerationLimits
