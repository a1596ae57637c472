"""Leakage: ids, texts and groups that are in two splits at once."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from pipeline.base.records import SplitName, TextRecord
from pipeline.core.clean.duplicates import duplicate_key

# From the plainest copy to the subtlest: sentences of one article are alike.
SHARED: tuple[tuple[str, Callable[[TextRecord], str]], ...] = (
    ("id", lambda record: record.id),
    ("text", lambda record: duplicate_key(record.text)),
    ("group", lambda record: record.group),
)


def leaks(splits: Mapping[SplitName, Sequence[TextRecord]]) -> tuple[str, ...]:
    """Return a sentence for each kind of leak between two splits, with its number and an example's id."""
    sentences = []
    for kind, key in SHARED:
        ids = {split: {key(record): record.id for record in records} for split, records in splits.items()}
        for first, second in combinations(splits, 2):
            shared = sorted(ids[first].keys() & ids[second].keys(), key=lambda value: ids[first][value])
            if shared:
                count = f"{len(shared)} {kind if len(shared) == 1 else f'{kind}s'}"
                example = ids[first][shared[0]]
                sentences.append(f"{count} in both {first} and {second}, for example that of {example}")
    return tuple(sentences)
