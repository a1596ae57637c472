"""The words everyone shares: what a text is, and what a stage leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["train", "valid", "test"]
SIDES: tuple[Side, ...] = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class Record:
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
