"""The sections that say what is served and what a candidate must show: compress, evaluate, gate."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.base.config.section import Count, Positive, Section, Share

Kept = Annotated[float, Field(gt=0, le=1)]
# What a template is filled with, and what `addition` adds to it.
BLANK = re.compile(r"\{([^{}]*)\}")
ADDED = re.compile(r"\[([^\[\]]*)\]")
RecipeName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Recipe(Section):
    """Say how one variant is made from its parent: which share of each part is kept, and in what numbers it reckons."""

    name: RecipeName
    vocabulary_min_count: Count | None
    layers: Kept
    heads: Kept
    feed_forward: Kept
    int8: bool

    @property
    def pruned(self) -> bool:
        """Say whether weights that take part in every answer are taken away."""
        return min(self.layers, self.heads, self.feed_forward) < 1

    @property
    def whole(self) -> bool:
        """Say whether the parent is left as it is."""
        return not (self.pruned or self.int8 or self.vocabulary_min_count)


class Recovery(Section):
    """Set how a pruned variant learns again from its uncompressed parent."""

    steps: Count
    batch_texts: Count
    peak_rate: Positive
    warmup_share: Share
    weight_decay: float = Field(ge=0)
    clip: Positive
    temperature: Positive
    truth_share: Share
    checkpoint_every: Count


class Int8Config(Section):
    """Set how whole numbers stand for matrices and what passes between them."""

    calibration_texts: Count
    smoothing: Share
    outliers: Count


class Budget(Section):
    """Set what a variant must hold to be served; among those that do, the quickest is taken.

    Variants slower by no more than the share `equal_speed` are as quick; of such, the smallest is taken.
    """

    max_f1_fall: Share
    max_slice_fall: Share
    min_agreement: Share
    max_megabytes: Positive
    equal_speed: Share


class CompressConfig(Section):
    """Set the menu of variants and the rule that chooses from it."""

    menu: tuple[Recipe, ...] = Field(min_length=1)
    importance_texts: Count
    recovery: Recovery
    int8: Int8Config
    budget: Budget
    timed_texts: Count
    uncertain_share: Share

    @model_validator(mode="after")
    def _the_parent_is_on_the_menu(self) -> "CompressConfig":
        names = [recipe.name for recipe in self.menu]
        if len(set(names)) < len(names):
            raise ValueError(f"compress.menu names a variant twice: {', '.join(names)}")
        if not any(recipe.whole for recipe in self.menu):
            raise ValueError("compress.menu needs one variant that leaves the parent whole: all shares 1.0, no vocabulary cut, int8 false")
        return self

    @property
    def parent(self) -> str:
        """Name the variant that leaves the parent whole."""
        return next(recipe.name for recipe in self.menu if recipe.whole)


class Tfidf(Section):
    """Set the bag-of-words baseline."""

    max_ngram: Count
    min_count: Count
    inverse_strength: Positive
    max_iterations: Count


class Ability(Section):
    """Describe one ability by templates; `{noun}` in a template is filled from the list of that name under `words`.

    minimum: every text must get the label `expect`. invariance: the changed text must keep the label of the plain one.
    direction: in the changed text the label `expect` must become more probable.
    `change` names what is done to the plain text, null for `minimum`: `addition` adds what the template holds in [square brackets],
    `names` puts another word of the list `name` where `{name}` stands, `emoji` appends one of the list `emoji`.
    """

    name: RecipeName
    kind: Literal["minimum", "invariance", "direction"]
    templates: tuple[str, ...] = Field(min_length=1)
    expect: str | None
    change: Literal["addition", "names", "typos", "case", "punctuation", "emoji"] | None

    @model_validator(mode="after")
    def _whole(self) -> "Ability":
        if (self.kind == "invariance") != (self.expect is None):
            raise ValueError(f"ability {self.name}: `expect` names a label, except for an invariance, where it is null")
        if (self.kind == "minimum") != (self.change is None):
            raise ValueError(f"ability {self.name}: `change` says what is done to the text, except for a minimum, where it is null")
        for template in self.templates:
            if (self.change == "addition") != bool(ADDED.search(template)):
                raise ValueError(f"ability {self.name}: {template!r} needs [a part] to add if `change` is addition, and none otherwise")
            if self.change == "names" and "{name}" not in template:
                raise ValueError(f"ability {self.name}: {template!r} needs a {{name}} to change")
        return self


class BehaviourConfig(Section):
    """Hold the suites: the words that fill the templates, and the abilities."""

    max_cases: Count
    words: dict[str, tuple[str, ...]]
    abilities: tuple[Ability, ...]

    @model_validator(mode="after")
    def _every_template_can_be_filled(self) -> "BehaviourConfig":
        names = [ability.name for ability in self.abilities]
        if len(set(names)) < len(names):
            raise ValueError(f"evaluate.behaviour.abilities names an ability twice: {', '.join(names)}")
        for ability in self.abilities:
            asked = {noun for template in ability.templates for noun in BLANK.findall(template)}
            # A name is changed to another one, so it takes two.
            least = dict.fromkeys(asked, 1) | {"names": {"name": 2}, "emoji": {"emoji": 1}}.get(ability.change or "", {})
            if short := sorted(noun for noun, number in least.items() if len(set(self.words.get(noun, ()))) < number):
                raise ValueError(f"ability {ability.name}: too few words under evaluate.behaviour.words for: {', '.join(short)}")
        return self


class AttackConfig(Section):
    """Bound the attack on single characters."""

    texts: Count
    edits: Count
    tries: Count


class EvaluateConfig(Section):
    """Set intervals, slices, calibration, behaviour, attack and baselines."""

    resamples: Count
    confidence: float = Field(gt=0.5, lt=1)
    calibration_bins: Count
    min_slice_texts: Count
    length_bands: tuple[Count, ...]
    negations: tuple[str, ...]
    behaviour: BehaviourConfig
    attack: AttackConfig
    vader_cuts: tuple[float, ...] | None
    tfidf: Tfidf

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
    slice_margin: Share
    forgetting_margin: Share
    min_macro_f1: Share
    baseline_margin: float
    abilities: dict[str, Share]
    max_attack_fall: Share
    max_calibration_error: Share
    max_p95_ms: Positive
    max_megabytes: Positive
    confidence: float = Field(gt=0.5, lt=1)
    power: float = Field(gt=0.5, lt=1)
    resamples: Count
    changed_listed: int = Field(ge=0)
    golden_tolerance: Positive
