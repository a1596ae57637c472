"""The ids that a source has used, in 24 bytes each: to find those that it repeats, and to tell them apart."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import TableSource
from pipeline.base.errors import DataRejected
from pipeline.base.records import TextRecord, Unreadable

# A run is merged with the one before it while that is not this many times as long.
MERGE_BELOW = 2
# 1.23E+17 is what a spreadsheet leaves of a long number.
ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+\d+")


@dataclass(frozen=True)
class _Run:
    """Hold ids by their hashes, ascending, with the hash of the text and the number of the row of each."""

    keys: NDArray[np.int64]
    texts: NDArray[np.int64]
    rows: NDArray[np.int64]


class IdIndex:
    """Index ids, and what was read under each first.

    Python's own hashes of 64 bits stand for ids and texts: that two of four million ids have one hash happens
    once in two million times.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._copies: dict[int, int] = {}

    def add(
        self, ids: Sequence[str], texts: Sequence[str], numbers: Sequence[int]
    ) -> list[tuple[int, int, int]]:
        """Add rows, each with its number; return those whose id was used before.

        Each is its place, the number of the first row with its id where that has another text, else 0, and
        how many rows had the id before.
        """
        keys = np.fromiter(map(hash, ids), np.int64, len(ids))
        new = self._are_new(keys)
        _, places = np.unique(keys, return_index=True)
        first = np.zeros(len(ids), dtype=bool)
        first[places] = True
        added = np.sort(places[new[places]])
        hashes = np.fromiter((hash(texts[place]) for place in added.tolist()), np.int64, len(added))
        self._append(keys[added], hashes, np.asarray(numbers, np.int64)[added])
        repeated = np.flatnonzero(~(new & first)).tolist()
        return [(place, *self._copy(int(keys[place]), hash(texts[place]))) for place in repeated]

    def _are_new(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        new = np.ones(len(keys), dtype=bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run.keys, keys), len(run.keys) - 1)
            new &= run.keys[places] != keys
        return new

    def _append(self, keys: NDArray[np.int64], texts: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        if not len(keys):
            return
        merged = [_Run(keys, texts, rows)]
        while self._runs and len(self._runs[-1].keys) < MERGE_BELOW * sum(len(run.keys) for run in merged):
            merged.append(self._runs.pop())
        joined = np.concatenate([run.keys for run in merged])
        order = np.argsort(joined, kind="stable")
        self._runs.append(
            _Run(
                joined[order],
                np.concatenate([run.texts for run in merged])[order],
                np.concatenate([run.rows for run in merged])[order],
            )
        )

    def _copy(self, key: int, text: int) -> tuple[int, int]:
        for run in self._runs:
            place = int(np.searchsorted(run.keys, key))
            if place < len(run.keys) and run.keys[place] == key:
                break
        differs = int(run.texts[place]) != text
        self._copies[key] = self._copies.get(key, 0) + 1
        return int(run.rows[place]) if differs else 0, self._copies[key]


def with_unique_ids(
    rows: list[TextRecord | Unreadable], source: TableSource, seen: IdIndex, start: int
) -> list[TextRecord | Unreadable]:
    """Return rows of a source whose ids are unique; `start` is the number of the first one.

    A repeated row gets the suffix `#2`. Raises DataRejected for an id that names different texts.
    """
    read = [(place, row) for place, row in enumerate(rows) if isinstance(row, TextRecord)]
    ids, texts = [row.id for _, row in read], [row.text for _, row in read]
    for which, first, times in seen.add(ids, texts, [start + place for place, _ in read]):
        place, record = read[which]
        if first:
            raise _ambiguous_id(source, record.id, first, start + place)
        rows[place] = dataclasses.replace(record, id=f"{record.id}#{times + 1}")
    return rows


def _ambiguous_id(source: TableSource, record_id: str, first: int, number: int) -> DataRejected:
    key = record_id.removeprefix(f"{source.name}:")
    rounded = " A spreadsheet rounded it: export the column as text." if ROUNDED.fullmatch(key) else ""
    return DataRejected(
        f"source {source.name}: rows {first} and {number} have the id {record_id!r} and different texts."
        f"{rounded} Set `columns.id` of this source to a column without repeats, or to null; "
        "map this one as `group` if its rows belong together."
    )
