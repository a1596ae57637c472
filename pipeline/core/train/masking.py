"""Masking of whole words, 80/10/10.

Shapes: B texts, T tokens. Source: Devlin et al., 2019; whole words: the note of May 2019 to the BERT code.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

KEPT, IGNORED = 0.9, -100


@dataclass(frozen=True)
class WholeWordMasking:
    """Hold what masking must know of the vocabulary: pieces that continue a word, ids that stand for no word."""

    share: float
    mask_id: int
    special: tuple[int, ...]
    continues: NDArray[np.bool_]

    def hide(self, tokens_BT: Tensor, chance: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Give (tokens with words hidden, targets): a target is the hidden id, or -100 where nothing was hidden.

        Of the chosen words' pieces 80 % become the mask, 10 % a random piece, 10 % stay. At least one word is chosen a text.
        """
        tokens = tokens_BT.numpy()
        usable = ~np.isin(tokens, self.special)
        word = np.cumsum(~(self.continues[tokens] & usable), axis=1) - 1
        chosen = np.zeros_like(usable)
        for row in range(len(tokens)):
            words = np.unique(word[row][usable[row]])
            if len(words):
                count = max(1, round(self.share * len(words)))
                chosen[row] = usable[row] & np.isin(word[row], chance.choice(words, count, replace=False))
        lot = chance.random(tokens.shape)
        hidden = np.where(chosen & (lot < 0.8), self.mask_id, tokens)
        # Random pieces come from behind the special ids, which stand at the front of a WordPiece vocabulary.
        swapped = chance.integers(max(self.special) + 1, len(self.continues), tokens.shape)
        hidden = np.where(chosen & (lot >= 0.8) & (lot < KEPT), swapped, hidden)
        return torch.from_numpy(hidden), torch.from_numpy(np.where(chosen, tokens, IGNORED))
