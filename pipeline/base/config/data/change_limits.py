"""How much the cleaned texts may differ from those of the data version before."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.base.config.section import Fraction, Section

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
