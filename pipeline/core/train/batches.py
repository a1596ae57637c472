"""Which texts go together, and how they become tensors; the same on every worker, for any step, from a seed.

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
    """Hold padded texts, what is to be guessed for them, and the weight that the whole batch's loss is divided by.

    `targets` is one label a text, or one id a token where `masked` says so. `weight` counts the batch before it is dealt
    to workers, so that the gradient is the same however many there are.
    """

    tokens_BT: Tensor
    mask_BT: Tensor
    targets: Tensor
    weight: float

    def rows(self, chosen: slice) -> "Batch":
        """Give some of the texts, with the weight of the whole."""
        return Batch(self.tokens_BT[chosen], self.mask_BT[chosen], self.targets[chosen], self.weight)

    def to(self, device: torch.device) -> "Batch":
        """Move the tensors to a device."""
        return Batch(self.tokens_BT.to(device), self.mask_BT.to(device), self.targets.to(device), self.weight)

    def __len__(self) -> int:
        return len(self.tokens_BT)


class LengthBucketSampler:
    """Deal texts into batches of like length, each text once an epoch; any step can be asked for, in any order.

    Texts are shuffled, sorted within pools of 50 batches, and the batches shuffled: nearly no padding, and still chance.
    """

    def __init__(self, lengths: Sequence[int], *, batch_size: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = -1
        self._batches: list[NDArray[np.int64]] = []

    @property
    def steps_per_epoch(self) -> int:
        """Count the batches that pass once over all texts."""
        pools, rest = divmod(len(self._lengths), self._batch_size * POOL_BATCHES)
        return pools * POOL_BATCHES + -(-rest // self._batch_size)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Give the numbers of the texts in the batch of one step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._plan(epoch)
        return self._batches[place]

    def _plan(self, epoch: int) -> list[NDArray[np.int64]]:
        chance = np.random.default_rng(seed_for(self._seed, "epoch", epoch))
        order = chance.permutation(len(self._lengths))
        size = self._batch_size * POOL_BATCHES
        batches = []
        for start in range(0, len(order), size):
            pool = order[start : start + size]
            pool = pool[np.argsort(self._lengths[pool], kind="stable")]
            # Split evenly: a last batch of three texts would be a step of pure noise, and could not be dealt to four workers.
            batches += np.array_split(pool, -(-len(pool) // self._batch_size))
        return [batches[number] for number in chance.permutation(len(batches))]


def pad(tokens: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Give tokens_BT and mask_BT; padding is token 0 under mask 0."""
    longest = max(map(len, tokens))
    tokens_BT = torch.zeros(len(tokens), longest, dtype=torch.long)
    mask_BT = torch.zeros(len(tokens), longest, dtype=torch.long)
    for row, ids in enumerate(tokens):
        tokens_BT[row, : len(ids)] = torch.as_tensor(ids)
        mask_BT[row, : len(ids)] = 1
    return tokens_BT, mask_BT
