"""Batches of texts as tensors; the same on every worker, for any step, from a seed.

Shapes: B texts, T tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.base.seeds import seed_for

POOL_BATCHES = 50


@dataclass(frozen=True)
class Batch:
    """Hold padded texts, their targets, and the weight that divides the loss of the full batch.

    `targets` holds a label for each text, or an id for each token. `weight` is that of the batch before it is
    split over workers, so that the gradient does not depend on their number.
    """

    tokens_BT: Tensor
    mask_BT: Tensor
    targets: Tensor
    weight: float

    def rows(self, selected: slice) -> "Batch":
        """Return some of the texts, with the weight of the full batch."""
        return Batch(self.tokens_BT[selected], self.mask_BT[selected], self.targets[selected], self.weight)

    def to(self, device: torch.device) -> "Batch":
        """Move the tensors to a device."""
        return Batch(self.tokens_BT.to(device), self.mask_BT.to(device), self.targets.to(device), self.weight)

    def __len__(self) -> int:
        return len(self.tokens_BT)


class LengthBucketSampler:
    """Sample batches of texts of similar length, each text once an epoch; steps may be read in any order.

    Texts are shuffled, sorted within pools of 50 batches, and the batches shuffled: random, with little
    padding.
    """

    def __init__(self, lengths: Sequence[int], *, batch_size: int, seed: int) -> None:
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


def pad(tokens: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return tokens_BT and mask_BT; padding is token 0 under mask 0."""
    longest = max(map(len, tokens))
    tokens_BT = torch.zeros(len(tokens), longest, dtype=torch.long)
    mask_BT = torch.zeros(len(tokens), longest, dtype=torch.long)
    for row, ids in enumerate(tokens):
        tokens_BT[row, : len(ids)] = torch.as_tensor(ids)
        mask_BT[row, : len(ids)] = 1
    return tokens_BT, mask_BT
