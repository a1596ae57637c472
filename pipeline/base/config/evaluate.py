"""The sections that say what is served and what a candidate must show: compress, evaluate, gate."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.base.config.section import Fraction, PositiveFloat, PositiveInt, Section

KeptShare = Annotated[float, Field(gt=0, le=1)]
# What a template is filled with, and what `addition` adds to it.
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
ADDITION = re.compile(r"\[([^\[\]]*)\]")
VariantName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class VariantConfig(Section):
    """Say how one variant is made from its parent: which share of each part is kept, and in what numbers it reckons."""

    name: VariantName
    vocabulary_min_count: PositiveInt | None
    layers: KeptShare
    heads: KeptShare
    feed_forward: KeptShare
    int8: bool

    @property
    def pruned(self) -> bool:
        """Say whether weights that take part in every answer are taken away."""
        return min(self.layers, self.heads, self.feed_forward) < 1

    @property
    def whole(self) -> bool:
        """Say whether the parent is left as it is."""
        return not (self.pruned or self.int8 or self.vocabulary_min_count)


class RecoveryConfig(Section):
    """Set how a pruned variant learns again from its uncompressed parent."""

    steps: PositiveInt
    batch_texts: PositiveInt
    peak_rate: PositiveFloat
    warmup_share: Fraction
    weight_decay: float = Field(ge=0)
    clip: PositiveFloat
    temperature: PositiveFloat
    truth_share: Fraction
    checkpoint_every: PositiveInt


class Int8Config(Section):
    """Set how whole numbers stand for matrices and what passes between them."""

    calibration_texts: PositiveInt
    smoothing: Fraction
    outliers: PositiveInt


class CompressionBudget(Section):
    """Set what a variant must hold to be served; among those that do, the quickest is taken.

    Variants slower by no more than the share `equal_speed` are as quick; of such, the smallest is taken.
    """

    max_f1_fall: Fraction
    max_slice_fall: Fraction
    min_agreement: Fraction
    max_megabytes: PositiveFloat
    equal_speed: Fraction


class CompressConfig(Section):
    """Set the menu of variants and the rule that chooses from it."""

    menu: tuple[VariantConfig, ...] = Field(min_length=1)
    importance_texts: PositiveInt
    recovery: RecoveryConfig
    int8: Int8Config
    budget: CompressionBudget
    timed_texts: PositiveInt
    uncertain_share: Fraction

    @model_validator(mode="after")
    def _the_parent_is_on_the_menu(self) -> "CompressConfig":
        names = [recipe.name for recipe in self.menu]
        if len(set(names)) < len(names):
            raise ValueError(f"compress.menu names a variant twice: {', '.join(names)}")
        if not any(recipe.whole for recipe in self.menu):
            raise ValueError(
                "compress.menu needs one variant that leaves the parent whole: all shares 1.0, no vocabulary cut, int8 false"
            )
        return self

    @property
    def parent(self) -> str:
        """Name the variant that leaves the parent whole."""
        return next(recipe.name for recipe in self.menu if recipe.whole)


class TfidfConfig(Section):
    """Set the bag-of-words baseline."""

    max_ngram: PositiveInt
    min_count: PositiveInt
    inverse_strength: PositiveFloat
    max_iterations: PositiveInt


class Ability(Section):
    """Describe one ability by templates; `{noun}` in a template is filled from the list of that name under `words`.

    minimum: every text must get the label `expect`. invariance: the changed text must keep the label of the plain one.
    direction: in the changed text the label `expect` must become more probable.
    `change` names what is done to the plain text, null for `minimum`: `addition` adds what the template holds in [square brackets],
    `names` puts another word of the list `name` where `{name}` stands, `emoji` appends one of the list `emoji`.
    """

    name: VariantName
    kind: Literal["minimum", "invariance", "direction"]
    templates: tuple[str, ...] = Field(min_length=1)
    expect: str | None
    change: Literal["addition", "names", "typos", "case", "punctuation", "emoji"] | None

    @model_validator(mode="after")
    def _whole(self) -> "Ability":
        if (self.kind == "invariance") != (self.expect is None):
            raise ValueError(
                f"ability {self.name}: `expect` names a label, except for an invariance, where it is null"
            )
        if (self.kind == "minimum") != (self.change is None):
            raise ValueError(
                f"ability {self.name}: `change` says what is done to the text, except for a minimum, where it is null"
            )
        for template in self.templates:
            if (self.change == "addition") != bool(ADDITION.search(template)):
                raise ValueError(
                    f"ability {self.name}: {template!r} needs [a part] to add if `change` is addition, and none otherwise"
                )
            if self.change == "names" and "{name}" not in template:
                raise ValueError(f"ability {self.name}: {template!r} needs a {{name}} to change")
        return self


class BehaviourConfig(Section):
    """Hold the suites: the words that fill the templates, and the abilities."""

    max_cases: PositiveInt
    words: dict[str, tuple[str, ...]]
    abilities: tuple[Ability, ...]

    @model_validator(mode="after")
    def _every_template_can_be_filled(self) -> "BehaviourConfig":
        names = [ability.name for ability in self.abilities]
        if len(set(names)) < len(names):
            raise ValueError(f"evaluate.behaviour.abilities names an ability twice: {', '.join(names)}")
        for ability in self.abilities:
            asked = {noun for template in ability.templates for noun in PLACEHOLDER.findall(template)}
            # A name is changed to another one, so it takes two.
            least = dict.fromkeys(asked, 1) | {"names": {"name": 2}, "emoji": {"emoji": 1}}.get(
                ability.change or "", {}
            )
            if short := sorted(
                noun for noun, number in least.items() if len(set(self.words.get(noun, ()))) < number
            ):
                raise ValueError(
                    f"ability {ability.name}: too few words under evaluate.behaviour.words for: {', '.join(short)}"
                )
        return self


class AttackConfig(Section):
    """Bound the attack on single characters."""

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
    vader_cuts: tuple[float, ...] | None
    tfidf: TfidfConfig

    @model_validator(mode="after")
    def _rising(self) -> "EvaluateConfig":
        if list(self.length_bands) != sorted(set(self.length_bands)):
            raise ValueError("evaluate.length_bands must rise")
        return self


class GateConfig(Section):
    """Set what a candidate must show."""

    approval: Literal["none", "human"]
    against_champion: Literal["better", "not_worse"]
    # Not 0: that a candidate is not worse by anything at all can never be shown.
    champion_margin: float = Field(gt=0, le=1)
    slice_margin: Fraction
    forgetting_margin: Fraction
    min_macro_f1: Fraction
    baseline_margin: float
    abilities: dict[str, Fraction]
    max_attack_fall: Fraction
    max_calibration_error: Fraction
    max_p95_ms: PositiveFloat
    max_megabytes: PositiveFloat
    confidence: float = Field(gt=0.5, lt=1)
    power: float = Field(gt=0.5, lt=1)
    resamples: PositiveInt
    changed_listed: int = Field(ge=0)
    golden_tolerance: PositiveFloat
