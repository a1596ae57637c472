"""What every source of rows says: what its columns mean, how labels, ratings and times are read."""

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.base.config.section import Section
from pipeline.base.labels import repeated, written_label

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
ONE_HOME = (
    "map exactly one of columns.label, columns.rating, columns.labels, columns.spans and columns.reference"
)
# Left out of identities and records: it changes no result, and what earlier versions stored lacks it.
MaxMegabytes = Annotated[int, Field(ge=1, exclude=True)]


class Columns(Section):
    """Map fields of a record to columns of a source; null where the source has no such column.

    `rating` is a mean; `raters` holds the rating of every rater. `labels` are the columns of a table that has
    one for each label, with 1 where it applies. `spans` holds the entities of a text as a JSON list of start,
    end (in characters) and label. `target` names what in the text the label is about. `reference` is the text
    that answers it, where a model shall write. Those with a default may be left out.
    """

    text: str
    label: str | None
    rating: str | None
    id: str | None
    group: str | None
    time: str | None
    split: str | None
    raters: str | None = None
    topic: str | None = None
    lang: str | None = None
    labels: tuple[str, ...] | None = Field(default=None, min_length=2)
    spans: str | None = None
    target: str | None = None
    reference: str | None = None

    @property
    def homes(self) -> tuple[object, ...]:
        """Return what may hold the truth about a text; one does, or none where a model reads texts alone."""
        return (self.label, self.rating, self.labels, self.spans, self.reference)

    @property
    def mapped(self) -> dict[str, str]:
        """Return the field of each mapped column, by the name of the column."""
        fields = {column: field for field, column in self if isinstance(column, str)}
        return fields | dict.fromkeys(self.labels or (), "labels")


class RatingRule(Section):
    """Set how a mean rating becomes negative, neutral or positive: the first, second or third label."""

    negative_to: float
    positive_from: float

    @model_validator(mode="after")
    def _ordered(self) -> "RatingRule":
        if self.negative_to >= self.positive_from:
            raise ValueError("negative_to must lie below positive_from")
        return self

    def label(self, rating: float) -> int:
        """Return the index of a rating's label among the three labels."""
        if rating <= self.negative_to:
            return 0
        return 2 if rating >= self.positive_from else 1


class TableSection(Section):
    """Set what every source of rows has."""

    name: Name
    columns: Columns
    group_pattern: str | None
    ratings: RatingRule | None
    label_map: dict[str, str]
    lang: str
    licence: str
    # null: a comma in a rating is a decimal comma where nothing else makes it a number.
    decimal: Literal[".", ","] | None = None
    # null: the usual ones, where every part is a known label.
    label_separator: str | None = Field(default=None, min_length=1)
    # Of times that name no zone.
    time_zone: str = "UTC"
    # null: by what the column holds, as 13/09 or 09/13.
    day_first: bool | None = None

    @field_validator("label_map", mode="before")
    @classmethod
    def _as_written(cls, label_map: object) -> object:
        if isinstance(label_map, dict):
            return {written_label(name): written_label(label) for name, label in label_map.items()}
        return label_map

    @field_validator("label_map")
    @classmethod
    def _each_label_once(cls, label_map: dict[str, str]) -> dict[str, str]:
        if again := [name for name in repeated(label_map) if len(set(label_map.values())) > 1]:
            raise ValueError(f"label_map names a label twice, in two spellings: {', '.join(again)}")
        return label_map

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("time_zone is no zone, such as UTC or Europe/Berlin") from error
        return name

    @model_validator(mode="after")
    def _one_home_for_the_label(self) -> "TableSection":
        columns = self.columns
        if sum(one is not None for one in columns.homes) > 1:
            raise ValueError(f"source {self.name}: {ONE_HOME}")
        if self.ratings is not None and columns.rating is None:
            raise ValueError(
                f"source {self.name}: ratings needs columns.rating; without it a rating is a label itself"
            )
        if self.columns.raters is not None and self.ratings is None:
            raise ValueError(
                f"source {self.name}: columns.raters needs ratings, the rule that makes a label of a number"
            )
        return self

    @field_validator("group_pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"group_pattern is not a regular expression: {error}") from error
        return pattern
