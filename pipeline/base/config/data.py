"""The sections `data`, `collect`, `clean`, `validate` and `split`."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.base.config.section import Fraction, PositiveFloat, PositiveInt, Section
from pipeline.base.config.sources import (
    AuditSource,
    FeedbackSource,
    ReplaySource,
    Source,
    TableSource,
)
from pipeline.base.labels import UNCERTAIN, label_key, repeated, written_label

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


class DataConfig(Section):
    """Set which data version to train on."""

    version: str = Field(pattern=r"^(newest|v[1-9][0-9]*)$")


class CollectConfig(Section):
    """Set where texts come from and which labels they may carry."""

    max_megabytes: PositiveInt
    labels: tuple[str, ...]
    sources: tuple[Source, ...] = Field(min_length=1)

    @field_validator("labels", mode="before")
    @classmethod
    def _as_written(cls, labels: object) -> object:
        return [written_label(label) for label in labels] if isinstance(labels, list | tuple) else labels

    @field_validator("labels")
    @classmethod
    def _usable_labels(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if again := repeated(labels):
            raise ValueError(f"a label is written twice, if in two spellings: {', '.join(again)}")
        if UNCERTAIN in map(label_key, labels):
            raise ValueError(
                f"`{UNCERTAIN}` is what the service answers where no label is probable enough. Give the "
                f"label another name, and rename it in its source: `label_map: {{{UNCERTAIN}: neutral}}`"
            )
        if empty := [label for label in labels if not label_key(label)]:
            raise ValueError(f"a label has no letter: {empty[0]!r}")
        return labels

    @model_validator(mode="after")
    def _names_and_labels(self) -> "CollectConfig":
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError(f"a source name is written twice: {', '.join(names)}")
        for kind in ("feedback", "audit", "replay"):
            if sum(source.kind == kind for source in self.sources) > 1:
                raise ValueError(f"collect.sources lists more than one source of kind {kind}")
        if not self.tables:
            raise ValueError("collect.sources needs a table: kind package, csv, parquet, sql or another")
        if any(table.ratings for table in self.tables) and len(self.labels) != 3:
            raise ValueError("ratings give three labels: negative, neutral, positive in this order")
        return self

    @property
    def tables(self) -> tuple[TableSource, ...]:
        """Return the sources of rows, in order; not feedback, audit and replay."""
        return tuple(source for source in self.sources if isinstance(source, TableSource))

    @property
    def feedback(self) -> FeedbackSource | None:
        """Return the source of kind feedback, None where it is not listed."""
        return next((source for source in self.sources if isinstance(source, FeedbackSource)), None)

    @property
    def audit(self) -> AuditSource | None:
        """Return the source of kind audit, None where it is not listed."""
        return next((source for source in self.sources if isinstance(source, AuditSource)), None)

    @property
    def replay(self) -> ReplaySource | None:
        """Return the source of kind replay, None where it is not listed."""
        return next((source for source in self.sources if isinstance(source, ReplaySource)), None)


class CleanConfig(Section):
    """Limit the length of a usable text and the rows that may be lost.

    `mask` puts the kind of personal data in their place before a text is stored, in what the model learns
    from and in what it predicts.
    """

    min_words: PositiveInt
    max_words: PositiveInt
    mask: bool
    max_loss: MaxLoss


class ValidateConfig(Section):
    """Set the limits the data must meet before training."""

    min_texts: PositiveInt
    min_label_share: Fraction
    max_words: PositiveInt
    max_mean_words: PositiveFloat
    max_duplicate_share: Fraction
    max_quarantine_share: Fraction
    language: str
    language_min_words: PositiveInt
    min_language_share: Fraction
    sample_texts: PositiveInt
    max_residue_share: Fraction
    max_unknown_tokens: Fraction
    max_cut_words: Fraction
    max_shift: Fraction
    likely_wrong: PositiveInt
    change: ChangeLimits


class SplitConfig(Section):
    """Set the shares of the splits; groups of texts stay together.

    Texts whose Jaccard similarity is at least `near_duplicates` are near duplicates: their groups are one.
    """

    valid: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)
    salt: str
    near_duplicates: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _train_is_not_empty(self) -> "SplitConfig":
        if self.valid + self.test >= 1:
            raise ValueError("valid and test leave nothing for train")
        return self
