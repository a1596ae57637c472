"""Replay: a bounded sample of what a model learnt before, learnt again beside what is new to it.

The sample is balanced by source, and within a source by label, so that a small source is not forgotten for a
large one. Experience replay: Rolnick et al., 2019; balance: Chaudhry et al., 2019. Shapes: N rows of a table,
M of them that are trained on, K texts that were learnt before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.base.digests import text_digest
from pipeline.core.clean.duplicates import duplicate_key
from pipeline.core.clean.text_keys import Keys, keys_of

# A source, or a source and a label.
Cell = TypeVar("Cell", str, tuple[str, str])
# Of a text that was learnt: text and label. Of a row: text, label, source and id.
Learnt = tuple[str, str]
Row = tuple[str, str, str, str]
NO_KEYS: Keys = np.empty((0, 2), np.uint64)


@dataclass(frozen=True)
class TrainedRows:
    """Tell which rows of a table are trained on, and which of those are replayed."""

    is_trained_N: NDArray[np.bool_]
    is_replayed_M: NDArray[np.bool_]

    @property
    def counts(self) -> dict[str, int]:
        """Return how many texts are new, and how many are replayed."""
        replayed = int(self.is_replayed_M.sum())
        return {"new": len(self.is_replayed_M) - replayed, "replayed": replayed}


def choose_rows(
    learnt: Iterable[Sequence[Learnt]], rows: Iterable[Sequence[Row]], share: float
) -> TrainedRows:
    """Choose all rows that are new, and at most `share` as many of those that were learnt before.

    A text whose label was corrected since is new. Those with the lowest digests of their ids are replayed, so
    the choice does not depend on chance or on order. Both tables come in batches; of a row 25 bytes are held.
    """
    learnt_K2 = np.concatenate([NO_KEYS, *(_keys(batch) for batch in learnt)])
    known, cells, digests = [np.empty(0, bool)], [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    numbers: dict[tuple[str, str], int] = {}
    for batch in rows:
        # Half of a key is enough: two of a million texts share it once in ten million tables.
        known.append(np.isin(_keys([(text, label) for text, label, *_ in batch])[:, 0], learnt_K2[:, 0]))
        pairs = ((source, label) for _, label, source, _ in batch)
        cells.append(np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], np.int64))
        digests.append(np.array([int(text_digest(name)[:16], 16) for *_, name in batch], np.uint64))
    known_N, cells_N, digests_N = map(np.concatenate, (known, cells, digests))
    budget = int(share * int((~known_N).sum()))
    members = {cell: np.flatnonzero(known_N & (cells_N == number)) for cell, number in numbers.items()}
    replayed_N = np.zeros(len(known_N), bool)
    for cell, size in balanced({cell: len(rows) for cell, rows in members.items()}, budget).items():
        lowest = np.argsort(digests_N[members[cell]], kind="stable")[:size]
        replayed_N[members[cell][lowest]] = True
    is_trained_N = ~known_N | replayed_N
    return TrainedRows(is_trained_N, replayed_N[is_trained_N])


def balanced(sizes: Mapping[tuple[str, str], int], budget: int) -> dict[tuple[str, str], int]:
    """Divide a budget over sources, and within each over its labels; what a small one leaves, others get.

    `sizes` has the number of texts of each source and label.
    """
    by_source: dict[str, int] = {}
    for (source, _), size in sizes.items():
        by_source[source] = by_source.get(source, 0) + size
    parts: dict[tuple[str, str], int] = {}
    for source, part in _divide(by_source, budget).items():
        parts |= _divide({cell: size for cell, size in sizes.items() if cell[0] == source}, part)
    return parts


def _divide(sizes: Mapping[Cell, int], budget: int) -> dict[Cell, int]:
    """Divide a budget evenly, no part above its size."""
    parts: dict[Cell, int] = {}
    # From the smallest on, each gets an even part of what is left, so what it cannot use is not lost.
    for place, (cell, size) in enumerate(sorted(sizes.items(), key=lambda one: (one[1], one[0]))):
        parts[cell] = min(size, (budget - sum(parts.values())) // (len(sizes) - place))
    return parts


def _keys(texts: Sequence[Learnt]) -> Keys:
    return keys_of(f"{label}\n{duplicate_key(text)}" for text, label in texts)
