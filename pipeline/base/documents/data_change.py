"""What changed in the cleaned texts since the data version before: counts, without texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class BeforeAfter(NamedTuple):
    """Hold a count in the version before, and the one now."""

    old: int
    new: int


@dataclass(frozen=True)
class DataChange:
    """Count what changed since the data version `old`.

    `counts` and `examples` (ids) are by kind: added, dropped, renamed, relabelled, reworded, moved; renamed
    ones are among the added. `both` counts the ids in both. `labels`, `languages` and `sources` count the
    rows of each; `read` and `duplicates` the rows of each source before duplicates were set aside, and those
    that were. `length_distance` is the Kolmogorov-Smirnov distance of the lengths in characters, in [0, 1].
    """

    old: str
    rows: BeforeAfter
    both: int
    counts: Mapping[str, int]
    examples: Mapping[str, str]
    labels: Mapping[str, BeforeAfter]
    languages: Mapping[str, BeforeAfter]
    sources: Mapping[str, BeforeAfter]
    read: Mapping[str, BeforeAfter]
    duplicates: Mapping[str, BeforeAfter]
    length_distance: float
