"""What changed since the data version before, as far as it exceeds a limit: with enough texts all drifts.

A change of rows that both versions hold is a fact, and its share is compared with the limit. A change of a
share or of a distribution is first held against chance at 1 %, over all labels and languages together.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist

from pipeline.base.config import ChangeLimits
from pipeline.base.documents.data_change import BeforeAfter, DataChange
from pipeline.core.validate.findings import Finding, ks_noise
from pipeline.core.validate.row_measures import wilson_interval

CHANCE = 0.01
# The share of which rows a kind is, the name of its limit, and how a person says it.
WORDS = {
    "added": "rows are new",
    "dropped": "rows are gone",
    "renamed": "texts came back under another id",
    "relabelled": "texts have another label",
    "reworded": "texts are worded differently",
    "moved": "texts are in another split of their source",
}
OF_BOTH = ("relabelled", "reworded", "moved")


def find_changes(change: DataChange, limits: ChangeLimits) -> list[Finding]:
    """Return what changed since the version before, beyond the limits; the kind names the version."""
    return [
        *_row_changes(change, limits),
        *_share_shifts("labels", change.labels, change, limits),
        *_share_shifts("languages", change.languages, change, limits),
        *_lengths(change, limits),
        *_vanished(change),
        *_repeated(change, limits),
    ]


def stopping(found: Sequence[Finding], limits: ChangeLimits) -> list[str]:
    """Return a sentence for each finding that stops the run."""
    return [f"{one.kind}: {one.detail}" for one in found if one.kind.partition(" ")[0] in limits.stop]


def difference_interval(counts: BeforeAfter, rows: BeforeAfter, *, chance: float) -> tuple[float, float]:
    """Return the interval of a difference of two shares, new minus old (Newcombe, 1998, method 10)."""
    z = NormalDist().inv_cdf(1 - chance / 2)
    old, new = counts.old / rows.old, counts.new / rows.new
    old_low, old_high = wilson_interval(old, rows.old, z=z)
    new_low, new_high = wilson_interval(new, rows.new, z=z)
    difference = new - old
    low = difference - ((new - new_low) ** 2 + (old_high - old) ** 2) ** 0.5
    high = difference + ((new_high - new) ** 2 + (old - old_low) ** 2) ** 0.5
    return max(-1.0, low), min(1.0, high)


def _row_changes(change: DataChange, limits: ChangeLimits) -> Iterator[Finding]:
    of_kind = {
        "added": limits.max_added,
        "dropped": limits.max_dropped,
        "renamed": limits.max_renamed,
        "relabelled": limits.max_relabelled,
        "reworded": limits.max_reworded,
        "moved": limits.max_moved,
    }
    for kind, limit in of_kind.items():
        number = change.counts[kind]
        rows = change.both if kind in OF_BOTH else change.rows.old
        if rows and number / rows > limit:
            of = f"of {rows:,} in both" if kind in OF_BOTH else f"for {rows:,} before"
            detail = f"{number:,} {WORDS[kind]}, {of} ({number / rows:.1%}){_limit(f'max_{kind}', limit)}"
            yield Finding(_kind(kind, change), number, change.examples[kind], detail=detail)


def _share_shifts(
    kind: str, counts: Mapping[str, BeforeAfter], change: DataChange, limits: ChangeLimits
) -> Iterator[Finding]:
    rows = change.rows
    if not (rows.old and rows.new):
        return
    chance = CHANCE / max(1, len(change.labels) + len(change.languages))
    for name, pair in counts.items():
        old, new = pair.old / rows.old, pair.new / rows.new
        low, high = difference_interval(pair, rows, chance=chance)
        if abs(new - old) > limits.max_share_shift and not low <= 0 <= high:
            detail = (
                f"{name} {old:.1%} -> {new:.1%}, interval of the change {low:+.1%} to {high:+.1%}"
                f"{_limit('max_share_shift', limits.max_share_shift)}"
            )
            yield Finding(f"{_kind(kind, change)}: {name}", max(pair), "", detail=detail)


def _lengths(change: DataChange, limits: ChangeLimits) -> Iterator[Finding]:
    old, new = change.rows
    if old and new and change.length_distance > max(limits.max_length_shift, ks_noise(old, new)):
        detail = f"distance {change.length_distance:.2f}{_limit('max_length_shift', limits.max_length_shift)}"
        yield Finding(_kind("lengths", change), new, "", detail=detail)


def _vanished(change: DataChange) -> Iterator[Finding]:
    for source, (old, new) in change.sources.items():
        if old and not new:
            detail = f"source {source} had {old:,} texts, and has none"
            yield Finding(f"{_kind('vanished', change)}: {source}", old, "", detail=detail)


def _repeated(change: DataChange, limits: ChangeLimits) -> Iterator[Finding]:
    chance = CHANCE / max(1, len(change.duplicates))
    for source, copies in change.duplicates.items():
        rows = change.read[source]
        if not rows.new:
            continue
        # A source that is new, or had no rows, is held against none.
        low, _ = difference_interval(copies, BeforeAfter(max(rows.old, 1), rows.new), chance=chance)
        old, new = copies.old / max(rows.old, 1), copies.new / rows.new
        if rows.old and new - old > limits.max_repeated and low > 0:
            detail = (
                f"source {source} repeats {copies.new:,} of {rows.new:,} rows ({new:.1%}, before {old:.1%})"
                f"{_limit('max_repeated', limits.max_repeated)}"
            )
            yield Finding(f"{_kind('repeated', change)}: {source}", copies.new, "", detail=detail)


def _kind(kind: str, change: DataChange) -> str:
    return f"{kind} since {change.old}"


def _limit(key: str, limit: float) -> str:
    return f"; limit {limit:.0%} (validate.change.{key})"
