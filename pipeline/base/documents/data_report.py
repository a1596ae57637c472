"""What the page of a data version shows: counts, and a few texts that hold no personal data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CleaningExample:
    """Show what a rule did to a text; `before` is None where it held personal data, or cannot be read."""

    rule: str
    id: str
    before: str | None
    after: str


@dataclass(frozen=True)
class LikelyWrongExample:
    """Name a text whose label is likely wrong, and the label that a model prefers."""

    id: str
    source: str
    label: str
    suggested: str
    suggested_probability: float
    text: str


@dataclass(frozen=True)
class PeriodLabels:
    """Count the texts of each label in a time, from `start` to `end`, UTC."""

    start: str
    end: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class DataReport:
    """Describe one data version.

    `account` and `findings` are sentences. `sources` counts the texts by source, then by split; `read` and
    `duplicates` count rows. `words` counts texts by their number of words, in bands from `words_from`, of
    which those beyond `max_tokens` are cut. `losses` counts rows by reason. `change` counts by kind what
    changed since the version `parent`, with examples of ids; None where there is none to compare with.
    """

    name: str
    created: str
    reason: str
    fingerprint: str
    parent: str | None
    forgotten: str | None
    releases: Sequence[str]
    splits: Mapping[str, int]
    labels: Mapping[str, int]
    languages: Mapping[str, int]
    sources: Mapping[str, Mapping[str, int]]
    account: Sequence[str]
    losses: Mapping[str, int]
    read: int
    duplicates: Mapping[str, int]
    words: Mapping[int, int]
    max_tokens: int
    longer: int
    times: Sequence[PeriodLabels]
    untimed: int
    examples: Sequence[CleaningExample]
    likely_wrong: Sequence[LikelyWrongExample]
    likely_wrong_total: int
    findings: Sequence[str]
    change: Mapping[str, int] | None
    change_examples: Mapping[str, Sequence[str]]
    changed_labels: Mapping[str, int]
