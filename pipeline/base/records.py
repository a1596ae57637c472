"""The words everyone shares: what a text is, and what a stage leaves behind."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

SplitName = Literal["train", "valid", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class TextRecord:
    """Hold one text and where it comes from.

    `split` is set only by a source that brings its own, `raters` only by one that tells what each rater gave:
    numbers in rising order, parted by spaces.
    """

    id: str
    text: str
    label: str
    source: str
    group: str
    lang: str
    time: str
    licence: str
    split: str = ""
    raters: str = ""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """Hold one answer of the service as the journal keeps it.

    `request` and `position` name it. `time` is UTC as 2026-11-25T08:00:00.000000Z, so that times sort as words do. `text` is
    masked, and empty where only its hash may be kept; `digest` is the SHA-256 of the masked text, and `lang` is empty unless the
    text is. `probabilities` stand in the order of the release's labels. `unknown` is the share of tokens the model has no word for.
    """

    request: str
    position: int
    time: str
    text: str
    digest: str
    label: str
    uncertain: bool
    probabilities: tuple[float, ...]
    release: str
    data_version: str
    client: str
    topic: str
    lang: str
    words: int
    unknown: float


@dataclass(frozen=True, slots=True)
class Feedback:
    """Hold the true label of a past answer, and who told it when; `text` is that of the answer, empty where only its hash is kept."""

    request: str
    position: int
    time: str
    label: str
    client: str
    text: str
    topic: str


@dataclass(frozen=True)
class Alert:
    """Say what somebody should know, once.

    `key` is what it is about, equal for the same thing: it stays quiet for a while after it was told. `kind` is drift, quality,
    event, rollback, data, integrity or run; a `hard` one asks for a new training. `link` is the page that tells more.
    """

    key: str
    kind: str
    topic: str
    time: str
    title: str
    message: str
    hard: bool = False
    link: str = ""


@dataclass(frozen=True)
class Receipt:
    """Say what a stage did: counts of things, figures measured, SHA-256 of each file it left.

    It holds no clock and no place, so equal work leaves equal receipts.
    """

    stage: str
    counts: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def counts_by(what: str, values: Iterable[str]) -> dict[str, int]:
    """Count equal values, each under `what/value` as a receipt keeps it, in the order of their names."""
    return {f"{what}/{value}": number for value, number in sorted(Counter(values).items())}
