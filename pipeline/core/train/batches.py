"""Batches of texts as tensors; the same on every worker, for any step, from a seed.

Shapes: B texts, T tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pipeline.base.seeds import seed_for

POOL_BATCHES = 50
TokenIds = Sequence[int] | NDArray[np.int32]


class Tokens(Protocol):
    """Describe tokenized texts that are read by row: lists in memory, or a file mapped into it."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> TokenIds: ...


def token_lengths(texts: Tokens) -> NDArray[np.int64]:
    """Return the number of tokens of every text; a file knows them without being read."""
    lengths: NDArray[np.int64] | None = getattr(texts, "lengths", None)
    if lengths is not None:
        return lengths
    return np.array([len(texts[row]) for row in range(len(texts))], dtype=np.int64)


@dataclass(frozen=True)
class Batch:
    """Hold padded texts, their targets, and the weight that divides the loss of the full batch.

    `targets` holds a label for each text, or an id for each token. `weight` is that of the batch before it is
    split over workers, so that the gradient does not depend on their number. `more` holds what else an
    objective needs of each text.
    """

    tokens_BT: Tensor
    mask_BT: Tensor
    targets: Tensor
    weight: float
    more: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Return the number of tokens, without padding."""
        return int((self.mask_BT > 0).sum())

    def rows(self, selected: slice) -> "Batch":
        """Return some of the texts, with the weight of the full batch."""
        more = {name: value[selected] for name, value in self.more.items()}
        return Batch(
            self.tokens_BT[selected], self.mask_BT[selected], self.targets[selected], self.weight, more
        )

    def to(self, device: torch.device) -> "Batch":
        """Move the tensors to a device."""
        more = {name: value.to(device) for name, value in self.more.items()}
        return Batch(
            self.tokens_BT.to(device), self.mask_BT.to(device), self.targets.to(device), self.weight, more
        )

    def __len__(self) -> int:
        return len(self.tokens_BT)


class LengthBucketSampler:
    """Sample batches of texts of similar length, each text once an epoch; steps may be read in any order.

    Texts are shuffled, sorted within pools of 50 batches, and the batches shuffled: random, with little
    padding.
    """

    def __init__(self, lengths: ArrayLike, *, batch_size: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = -1
        self._batches: list[NDArray[np.int64]] = []

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of batches in an epoch."""
        pools, rest = divmod(len(self._lengths), self._batch_size * POOL_BATCHES)
        return pools * POOL_BATCHES + -(-rest // self._batch_size)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return the row numbers of the texts in the batch of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._plan(epoch)
        return self._batches[place]

    def _plan(self, epoch: int) -> list[NDArray[np.int64]]:
        generator = np.random.default_rng(seed_for(self._seed, "epoch", epoch))
        order = generator.permutation(len(self._lengths))
        size = self._batch_size * POOL_BATCHES
        batches = []
        for start in range(0, len(order), size):
            pool = order[start : start + size]
            pool = pool[np.argsort(self._lengths[pool], kind="stable")]
            # Split evenly: a last batch of three texts would be pure noise, and too small for four workers.
            batches += np.array_split(pool, -(-len(pool) // self._batch_size))
        return [batches[number] for number in generator.permutation(len(batches))]


def pad(texts: Sequence[TokenIds], *, fill: int = 0) -> tuple[Tensor, Tensor]:
    """Return tokens_BT and mask_BT; padding is the token `fill` under mask 0."""
    longest = max(map(len, texts))
    tokens_BT = np.full((len(texts), longest), fill, dtype=np.int64)
    mask_BT = np.zeros((len(texts), longest), dtype=np.int64)
    for row, ids in enumerate(texts):
        tokens_BT[row, : len(ids)] = ids
        mask_BT[row, : len(ids)] = 1
    return torch.from_numpy(tokens_BT), torch.from_numpy(mask_BT)
