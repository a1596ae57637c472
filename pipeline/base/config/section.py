"""The base class of every section: strict, frozen, no unknown key, no default."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
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


class PretrainConfig(OptimizerConfig):
    """Set pretraining on the texts alone; with `batch_tokens` a batch holds rows of several texts."""

    objective: Literal["masked_words", "next_sentence", "sentence_order", "causal"]
    batch_tokens: int | None = Field(ge=512)
    dropout: Dropout
    steps: PositiveInt
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


class OrdinalConfig(Section):
    """Set the targets of labels on a scale: the share of a label falls by exp(-sharpness) a step.

    `in_order` says that the labels are in the order of their scale where their names do not show it.
    """

    sharpness: PositiveFloat
    in_order: bool


class FinetuneConfig(OptimizerConfig):
    """Set training on labels, or on the probability of each label that single ratings give."""

    targets: Literal["labels", "ratings"]
    dropout: Dropout
    epochs: PositiveInt
    min_steps: PositiveInt
    eval_every: PositiveInt
    patience: PositiveInt
    class_weights: Fraction
    ordinal: OrdinalConfig


ChangeKind = Literal[
    "added",
    "dropped",
    "renamed",
    "relabelled",
    "reworded",
    "moved",
    "labels",
    "languages",
    "lengths",
    "vanished",
    "repeated",
]


class ChangeLimits(Section):
    """Set from which size on a change since the data version before is named, and which ones stop the run.

    `max_added`, `max_dropped` and `max_renamed` (texts that came back under another id) are shares of the
    rows before; `max_relabelled`, `max_reworded` and `max_moved` of the rows in both. `max_share_shift`
    limits the change of a label's or a language's share, `max_length_shift` the Kolmogorov-Smirnov distance
    of the lengths, `max_repeated` the rise of a source's share of duplicates. A source that vanished has no
    limit: it is named.
    """

    max_added: Annotated[float, Field(ge=0)]
    max_dropped: Fraction
    max_renamed: Fraction
    max_relabelled: Fraction
    max_reworded: Fraction
    max_moved: Fraction
    max_share_shift: Fraction
    max_length_shift: Fraction
    max_repeated: Fraction
    stop: tuple[ChangeKind, ...]


class MaxLoss(Section):
    """Set for each reason the share of the rows read above which the run stops before training.

    `no_text` counts placeholders such as "nan" too.
    """

    unreadable: Fraction
    unknown_label: Fraction
    no_label: Fraction
    several_labels: Fraction
    conflicting_labels: Fraction
    no_text: Fraction
    too_short: Fraction
    too_long: Fraction
