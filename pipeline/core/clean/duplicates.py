"""Duplicate texts: one is kept when their labels agree, none when they conflict."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.base.data_account import CONFLICT, DUPLICATE
from pipeline.base.records import TextRecord
from pipeline.base.split_names import split_name
from pipeline.base.tasks.targets import without_target
from pipeline.core.clean.text_keys import Keys, keys_of, rows_sharing_a_key


def duplicate_key(text: str) -> str:
    """Return the key of equal cleaned texts; it ignores case, as an uncased encoder does."""
    return text.casefold()


def whole_text_key(text: str) -> str:
    """Return the key of equal cleaned texts, whatever their targets."""
    return duplicate_key(without_target(text))


def find_duplicates(records: Sequence[TextRecord]) -> list[str | None]:
    """Return for each record why it is to be removed, or None.

    Of copies with the same label the first is kept, but one of a source's own test split before all others: a
    benchmark keeps its test texts, and the copy that would have leaked into training is removed.
    """
    search = DuplicateSearch()
    search.add([r.text for r in records], [r.label for r in records], [r.split for r in records])
    reasons: list[str | None] = [None] * len(records)
    for row, reason in search.found():
        reasons[row] = reason
    return reasons


class DuplicateSearch:
    """Find duplicates among texts that come in batches; of each text its key and its label are held."""

    def __init__(self) -> None:
        self._keys: list[Keys] = []
        self._labels: list[NDArray[np.int32]] = []
        self._tests: list[NDArray[np.bool_]] = []
        self._label_numbers: dict[str, int] = {}

    def add(self, texts: Sequence[str], labels: Sequence[str], splits: Sequence[str]) -> None:
        """Add texts with their labels, and the splits that their sources bring."""
        numbers = self._label_numbers
        self._keys.append(keys_of(map(duplicate_key, texts)))
        self._labels.append(np.array([numbers.setdefault(one, len(numbers)) for one in labels], np.int32))
        self._tests.append(np.array([bool(one) and split_name(one) == "test" for one in splits], bool))

    def found(self) -> Iterator[tuple[int, str]]:
        """Yield the row of each text that is to be removed, and why."""
        if not self._keys:
            return
        keys_N2 = np.concatenate(self._keys)
        labels_N, tests_N = np.concatenate(self._labels), np.concatenate(self._tests)
        self._keys = [keys_N2]
        for copies in rows_sharing_a_key(keys_N2):
            if len(set(labels_N[copies].tolist())) > 1:
                yield from ((row, CONFLICT) for row in copies)
            else:
                kept = min(copies, key=lambda row: (not tests_N[row], row))
                yield from ((row, DUPLICATE) for row in copies if row != kept)
