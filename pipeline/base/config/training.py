"""The sections `pretrain` and `finetune`."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from pipeline.base.config.section import (
    Dropout,
    Fraction,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Section,
)

# Of fine-tuning; the number behind `top:` is free.
METHODS = ("full", "head", "lora", "adalora", "contrastive", "prompt", "top:2")


class OptimizerConfig(Section):
    """Set what every training needs: pretraining, fine-tuning and the recovery of a pruned variant."""

    batch_size: PositiveInt
    learning_rate: PositiveFloat
    warmup_ratio: Fraction
    weight_decay: float = Field(ge=0)
    max_grad_norm: PositiveFloat
    save_every: PositiveInt


class PretrainConfig(OptimizerConfig):
    """Set pretraining on the texts alone; with `batch_tokens` a batch holds rows of several texts.

    No steps: the encoder stays as it starts.
    """

    objective: Literal["masked_words", "next_sentence", "sentence_order", "causal"]
    batch_tokens: int | None = Field(ge=512)
    dropout: Dropout
    steps: NonNegativeInt
    mlm_probability: float = Field(gt=0, lt=1)
    eval_texts: PositiveInt

    @model_validator(mode="after")
    def _pairs_are_not_packed(self) -> "PretrainConfig":
        if self.batch_tokens and self.objective in ("next_sentence", "sentence_order"):
            raise ValueError(
                f"a batch of pairs of sentences is not packed: write `batch_tokens: null` beside "
                f"`objective: {self.objective}`"
            )
        return self


class LoraConfig(Section):
    """Set the adapters of `lora` and `adalora`; `targets` names matrices of the encoder's blocks, or all.

    `adalora` begins with half as much rank again, and ends with a mean of `rank`.
    """

    rank: PositiveInt
    alpha: PositiveFloat
    dropout: Dropout
    targets: tuple[str, ...] | Literal["all"]

    @field_validator("targets", mode="before")
    @classmethod
    def _a_list_or_all(cls, targets: object) -> object:
        if isinstance(targets, str) and targets != "all":
            raise ValueError(f"names are a list: write [{targets}], or `all`")
        return targets

    @field_validator("targets")
    @classmethod
    def _some_target(cls, targets: tuple[str, ...] | Literal["all"]) -> tuple[str, ...] | Literal["all"]:
        if not targets:
            raise ValueError("no matrix is named: write `all`, or names as in [query, value]")
        return targets


class PerturbationConfig(Section):
    """Set the perturbation of a text's words: its largest norm; for FreeLB the steps that find it.

    `rate` is the length of such a step. Both are in units of the mean norm of a word of the text.
    """

    norm: PositiveFloat
    steps: PositiveInt
    rate: PositiveFloat


class AugmentConfig(Section):
    """Set of which shares of the training texts a changed copy is learnt too, with the answer of the text.

    Changes are `typos` of people, another `case`, and `words` that a language model puts in place of some.
    """

    typos: Fraction
    case: Fraction
    words: Fraction

    @property
    def any(self) -> bool:
        """Return whether there are copies at all."""
        return self.typos + self.case + self.words > 0


class StudentConfig(Section):
    """Set how one model learns from the mean of the logits of several (Hinton et al., 2015).

    `label_weight` is the share of the labels in its loss.
    """

    temperature: PositiveFloat
    label_weight: Fraction


class PromptConfig(Section):
    """Set the sentence around a text whose [MASK] is filled with a word of its label.

    With `zero_shot` the labels of the training texts are not used.
    """

    template: str
    words: dict[str, tuple[str, ...]]
    zero_shot: bool

    @field_validator("template")
    @classmethod
    def _one_text_and_one_mask(cls, template: str) -> str:
        if template.count("{text}") != 1 or template.count("[MASK]") != 1:
            raise ValueError('it needs {text} and [MASK] once each: write "{text} It was [MASK]."')
        return template


class OrdinalConfig(Section):
    """Set the targets of labels on a scale: the share of a label falls by exp(-sharpness) a step.

    `in_order` says that the labels are in the order of their scale where their names do not show it.
    """

    sharpness: PositiveFloat
    in_order: bool


class ReplayConfig(Section):
    """Set what is learnt again where training goes on from the champion.

    `share` bounds the texts that it knows, as a share of those that are new to it.
    """

    share: Fraction


class FinetuneConfig(OptimizerConfig):
    """Set training on labels, or on the probability of each label that single ratings give.

    With `start: champion` it goes on from the release in service, on the texts that are new to it and a
    `replay` of those that it learnt from.

    `method` chooses the weights that are trained; the keys below it combine. With `seeds` there is a training
    for each, and `combine` says what is made of them.
    """

    start: Literal["encoder", "champion"]
    replay: ReplayConfig
    targets: Literal["labels", "ratings"]
    method: str
    lora: LoraConfig
    layer_decay: float = Field(gt=0, le=1)
    label_smoothing: float = Field(ge=0, lt=1)
    r_drop: float = Field(ge=0)
    adversarial: Literal["none", "fgm", "freelb"]
    perturbation: PerturbationConfig
    augment: AugmentConfig
    average: Literal["none", "ema", "last"]
    average_share: float = Field(gt=0, le=1)
    seeds: tuple[int, ...]
    combine: Literal["median", "ensemble"]
    student: StudentConfig
    prompt: PromptConfig
    dropout: Dropout
    epochs: PositiveInt
    min_steps: PositiveInt
    eval_every: PositiveInt
    patience: PositiveInt
    class_weights: Fraction
    ordinal: OrdinalConfig

    @property
    def top_blocks(self) -> int | None:
        """Return how many of the highest blocks are trained, where `method` says so."""
        kind, _, count = self.method.partition(":")
        return int(count) if kind == "top" else None

    @property
    def has_adapters(self) -> bool:
        """Return whether low-rank changes of matrices are trained in place of the matrices."""
        return self.method in ("lora", "adalora")

    def task_fault(self, *, one_label: bool) -> str | None:
        """Return the setting that needs one label a text, None where there is none or a text has one."""
        asked = {
            f"method: {self.method}": self.method in ("prompt", "contrastive"),
            f"label_smoothing: {self.label_smoothing}": self.label_smoothing > 0,
            f"r_drop: {self.r_drop}": self.r_drop > 0,
            f"augment: {{words: {self.augment.words}}}": self.augment.words > 0,
            "combine: ensemble": bool(self.seeds) and self.combine == "ensemble",
        }
        return None if one_label else next((name for name, is_asked in asked.items() if is_asked), None)

    @field_validator("seeds")
    @classmethod
    def _different_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("two trainings of one seed are the same: write each seed once")
        return seeds

    @field_validator("method")
    @classmethod
    def _known_method(cls, method: str) -> str:
        if method not in METHODS[:-1] and not re.fullmatch("top:[1-9][0-9]{0,3}", method):
            raise ValueError(f"no such method. Write one of: {', '.join(METHODS)}")
        return method

    @model_validator(mode="after")
    def _the_champion_is_enough(self) -> "FinetuneConfig":
        if self.start == "champion" and self.method in ("contrastive", "prompt"):
            raise ValueError(
                f"`method: {self.method}` makes a new head, and `start: champion` goes on with the one in "
                "service: write `method: full`, or `start: encoder`"
            )
        if self.start == "champion" and self.augment.words:
            raise ValueError("`augment: words` needs a word head, a champion has none: write `words: 0.0`")
        return self

    @model_validator(mode="after")
    def _two_passes_differ(self) -> "FinetuneConfig":
        if self.r_drop and self.method == "contrastive":
            raise ValueError(
                "r_drop compares two passes of the head, and `method: contrastive` trains pairs without one: "
                "write `r_drop: 0.0`, or another method"
            )
        if self.r_drop and not self.dropout and not (self.has_adapters and self.lora.dropout):
            raise ValueError(
                "r_drop compares two passes with different dropout, and there is none: write `dropout: 0.1` "
                "beside it"
            )
        return self
