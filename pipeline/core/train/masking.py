"""Masking of whole words, 80/10/10.

Shapes: B texts, T tokens. Source: Devlin et al., 2019; whole words: the note of May 2019 to the BERT code.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Shares of the selected pieces; the rest stay as they are.
MASKED, RANDOM = 0.8, 0.1
# The target of a token that is not masked.
IGNORED = -100


@dataclass(frozen=True)
class WholeWordMasking:
    """Hold the masking probability and the vocabulary: special ids, and which pieces continue a word."""

    probability: float
    mask_id: int
    special: tuple[int, ...]
    continues: NDArray[np.bool_]

    def mask(
        self, tokens_BT: Tensor, mask_BT: Tensor, generator: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return (masked tokens, targets): a target is the original id, or -100 where nothing is masked.

        Padding is where `mask_BT` is 0; its id may be that of a word.

        Of the pieces of masked words 80 % become [MASK], 10 % a random piece, 10 % stay. At least one word of
        each text is masked.
        """
        tokens = tokens_BT.numpy()
        usable = ~np.isin(tokens, self.special) & (mask_BT.numpy() > 0)
        word = np.cumsum(~(self.continues[tokens] & usable), axis=1) - 1
        selected = np.zeros_like(usable)
        for row in range(len(tokens)):
            words = np.unique(word[row][usable[row]])
            if len(words):
                count = max(1, round(self.probability * len(words)))
                words = generator.choice(words, count, replace=False)
                selected[row] = usable[row] & np.isin(word[row], words)
        draw = generator.random(tokens.shape)
        masked = np.where(selected & (draw < MASKED), self.mask_id, tokens)
        ordinary = self._ordinary_ids()
        random_ids = ordinary[generator.integers(0, len(ordinary), tokens.shape)]
        masked = np.where(selected & (draw >= MASKED) & (draw < MASKED + RANDOM), random_ids, masked)
        return torch.from_numpy(masked), torch.from_numpy(np.where(selected, tokens, IGNORED))

    def _ordinary_ids(self) -> NDArray[np.int64]:
        """Return the ids behind the special ones that begin a vocabulary, without those that end it."""
        size = len(self.continues)
        first = max((number for number in self.special if number < size // 2), default=-1) + 1
        return np.setdiff1d(np.arange(first, size), self.special)
