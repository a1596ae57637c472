"""Packing: rows of several short texts, so that no token of a batch is padding for long.

Shapes: B rows, T tokens.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pipeline.base.seeds import seed_for
from pipeline.core.train.batches import TokenIds

# Texts that are packed together; more would waste little less.
POOL_TEXTS = 4096


@dataclass(frozen=True)
class TokenBudget:
    """Set how many tokens a row holds, and how many a batch."""

    row_tokens: int
    batch_tokens: int

    @property
    def rows(self) -> int:
        """Return the number of rows of a batch."""
        return max(1, self.batch_tokens // self.row_tokens)


class PackedSampler:
    """Sample batches of rows filled with texts, each text once an epoch; steps may be read in any order.

    Which texts share a row is drawn once from the seed: no text sees another of its row. The order of the
    rows is drawn anew in each epoch.
    """

    def __init__(self, lengths: ArrayLike, budget: TokenBudget, *, seed: int) -> None:
        self._budget = budget
        self._seed = seed
        self._epoch = -1
        self._order: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        lengths = np.asarray(lengths)
        assert lengths.max() <= budget.row_tokens, "a text is longer than a row"
        order = np.random.default_rng(seed_for(seed, "packing")).permutation(len(lengths))
        self._rows: list[NDArray[np.int64]] = []
        for start in range(0, len(order), POOL_TEXTS):
            self._rows += _fill(order[start : start + POOL_TEXTS], lengths, budget.row_tokens)

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self._rows) // self._budget.rows)

    def rows(self, step: int) -> list[NDArray[np.int64]]:
        """Return the row numbers of the texts in each row of the batch of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            generator = np.random.default_rng(seed_for(self._seed, "epoch", epoch))
            self._epoch, self._order = epoch, generator.permutation(len(self._rows))
        # Split evenly: a last batch of one row would be pure noise.
        return [self._rows[number] for number in np.array_split(self._order, self.steps_per_epoch)[place]]


def _fill(texts: NDArray[np.int64], lengths: NDArray[np.int64], row_tokens: int) -> list[NDArray[np.int64]]:
    """Put the longest text first, each into the fullest row that has room for it (best fit decreasing)."""
    rows: list[list[int]] = []
    rooms: list[tuple[int, int]] = []
    for text in texts[np.argsort(-lengths[texts], kind="stable")].tolist():
        length = int(lengths[text])
        found = bisect.bisect_left(rooms, (length, -1))
        if found < len(rooms):
            room, row = rooms.pop(found)
        else:
            room, row = row_tokens, len(rows)
            rows.append([])
        rows[row].append(text)
        bisect.insort(rooms, (room - length, row))
    return [np.array(row, dtype=np.int64) for row in rows]


def pack(rows: Sequence[Sequence[TokenIds]], *, fill: int = 0) -> tuple[Tensor, Tensor]:
    """Return the texts of each row side by side, and texts_BT, which numbers them from 1; 0 is padding."""
    longest = max(sum(map(len, texts)) for texts in rows)
    tokens_BT = np.full((len(rows), longest), fill, dtype=np.int64)
    texts_BT = np.zeros((len(rows), longest), dtype=np.int64)
    for row, texts in enumerate(rows):
        tokens_BT[row, : sum(map(len, texts))] = np.concatenate([np.asarray(ids) for ids in texts])
        numbers = np.repeat(np.arange(1, len(texts) + 1), list(map(len, texts)))
        texts_BT[row, : len(numbers)] = numbers
    return torch.from_numpy(tokens_BT), torch.from_numpy(texts_BT)
