"""Leakage: ids, texts and groups that are in two splits at once."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pipeline.base.records import SplitName, TextRecord
from pipeline.core.clean.duplicates import whole_text_key
from pipeline.core.clean.growing import GrowingArray
from pipeline.core.clean.text_keys import keys_of

# From the plainest copy to the subtlest: sentences of one article are alike.
SHARED: tuple[tuple[str, Callable[[TextRecord], str]], ...] = (
    ("id", lambda record: record.id),
    ("text", lambda record: whole_text_key(record.text)),
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


def leak_keys(ids: Sequence[str], texts: Sequence[str], groups: Sequence[str]) -> NDArray[np.uint64]:
    """Return half of the key of each id, text and group, in the order of SHARED."""
    columns = (ids, map(whole_text_key, texts), groups)
    return np.stack([keys_of(column)[:, 0] for column in columns], axis=1)


class LeakSearch:
    """Find what may be in two splits at once, by 25 bytes of each text."""

    def __init__(self) -> None:
        self._keys, self._sides = [GrowingArray(np.uint64) for _ in SHARED], GrowingArray(np.int8)

    def add(self, keys_N3: NDArray[np.uint64], sides_N: NDArray[np.int8]) -> None:
        """Add texts by their keys, with the numbers of their splits."""
        for column, keys_N in zip(self._keys, keys_N3.T, strict=True):
            column.extend(keys_N)
        self._sides.extend(sides_N)

    def suspects(self) -> list[NDArray[np.uint64]]:
        """Return of each kind the keys that occur in several splits, ascending."""
        found, sides_N = [], self._sides.array()
        for column in self._keys:
            order_N = np.argsort(column.array(), kind="stable")
            keys_N, ordered_N = column.array()[order_N], sides_N[order_N]
            differ_N = (keys_N[1:] == keys_N[:-1]) & (ordered_N[1:] != ordered_N[:-1])
            found.append(np.unique(keys_N[1:][differ_N]))
        return found


def are_shared(keys_N3: NDArray[np.uint64], suspects: Sequence[NDArray[np.uint64]]) -> list[bool]:
    """Return for each text whether one of its keys occurs in several splits."""
    columns = [np.isin(keys_N, one) for keys_N, one in zip(keys_N3.T, suspects, strict=True)]
    return [bool(shared) for shared in np.logical_or.reduce(columns)]
