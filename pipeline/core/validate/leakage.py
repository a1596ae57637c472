"""What stands on two sides of the split at once."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from pipeline.base.records import SplitName, TextRecord
from pipeline.core.clean.duplicates import duplicate_key

# What may not be shared, from the plainest copy to the subtlest: sentences of one article know each other.
SHARED: tuple[tuple[str, Callable[[TextRecord], str]], ...] = (
    ("id", lambda record: record.id),
    ("text", lambda record: duplicate_key(record.text)),
    ("group", lambda record: record.group),
)


def leaks(sides: Mapping[SplitName, Sequence[TextRecord]]) -> tuple[str, ...]:
    """Say for each kind and pair of sides how much is shared, with the id of one example; empty when nothing is."""
    found = []
    for what, key in SHARED:
        keys = {side: {key(record): record.id for record in records} for side, records in sides.items()}
        for one, other in combinations(sides, 2):
            shared = sorted(keys[one].keys() & keys[other].keys(), key=lambda value: keys[one][value])
            if shared:
                plural = what if len(shared) == 1 else f"{what}s"
                found.append(
                    f"{len(shared)} {plural} in both {one} and {other}, for example that of {keys[one][shared[0]]}"
                )
    return tuple(found)
