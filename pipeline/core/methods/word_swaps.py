"""Swap words of texts for those that a language model expects there (Kobayashi, 2018; Wu et al., 2019).

A word that fits its place may turn the answer ("a great film", "a dull film"): whoever learns from swapped
texts checks each against its label. Shapes: B texts, T tokens, M masked tokens, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from pipeline.base.errors import ConfigError
from pipeline.core.model.heads import MaskedLanguageModel
from pipeline.core.model.pieces import continuations
from pipeline.core.model.special_tokens import end_ids, mask_id, special_ids

# Of the words of one piece; a text in which more are masked says too little of the rest.
SWAP_SHARE = 0.15
# Below the most probable ones lie words that fit nowhere.
MOST_PROBABLE = 50
TEXTS_AT_ONCE = 64

Texts = Sequence[Sequence[int]]
Ids = NDArray[np.int64]


def require_words(tokenizer: Tokenizer, *, has_word_head: bool) -> None:
    """Raise ConfigError for an encoder that cannot say which word fits a place."""
    if not has_word_head or mask_id(tokenizer) is None:
        raise ConfigError(
            "finetune.augment: `words` needs an encoder with a word head and a mask token, and this one has "
            "none. Write `objective: masked_words` and some `steps` under `pretrain` in params.yaml, or "
            "`words: 0.0`."
        )


@dataclass(frozen=True)
class WordSwaps:
    """Hold the language model, and what its pieces are."""

    model: MaskedLanguageModel
    tokenizer: Tokenizer

    def swapped(self, texts: Texts, generator: np.random.Generator) -> list[list[int]]:
        """Return the tokens of texts with some words swapped; as they are where no word can be."""
        found: list[list[int]] = []
        self.model.eval()
        continues = np.array(continuations(self.tokenizer))
        # A table of embeddings may be longer than the vocabulary.
        beyond = np.arange(len(continues), len(self.model.bias))
        special = list(special_ids(self.tokenizer).values())
        never = np.unique(np.concatenate([np.flatnonzero(continues), special, beyond]).astype(np.int64))
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            batch = [list(ids) for ids in texts[start : start + TEXTS_AT_ONCE]]
            places = [_chosen(self._own(ids), continues, never, generator) for ids in batch]
            found += self._filled(batch, places, never, generator)
        return found

    def _own(self, ids: Sequence[int]) -> Sequence[int]:
        """Return the tokens of a text without those of a target behind it: the answer is of this target."""
        ends = end_ids(self.tokenizer)
        stop = next((place for place, one in enumerate(ids) if place and ends and one == ends[1]), len(ids))
        return ids[:stop]

    def _filled(
        self,
        batch: list[list[int]],
        places: Sequence[Sequence[int]],
        never: Ids,
        generator: np.random.Generator,
    ) -> list[list[int]]:
        longest = max(map(len, batch))
        tokens_BT = torch.zeros((len(batch), longest), dtype=torch.int64)
        mask_BT = torch.zeros_like(tokens_BT)
        masked_BT = torch.zeros_like(tokens_BT, dtype=torch.bool)
        for row, (ids, chosen) in enumerate(zip(batch, places, strict=True)):
            tokens_BT[row, : len(ids)], mask_BT[row, : len(ids)] = torch.tensor(ids), 1
            masked_BT[row, list(chosen)] = True
        with torch.inference_mode():
            logits_MV = self.model(tokens_BT.masked_fill(masked_BT, self._mask), mask_BT, masked_BT)
            tokens_BT[masked_BT] = _drawn(logits_MV, tokens_BT[masked_BT], never, generator)
        return [tokens_BT[row, : len(ids)].tolist() for row, ids in enumerate(batch)]

    @property
    def _mask(self) -> int:
        number = mask_id(self.tokenizer)
        assert number is not None, "require_words was not called"
        return number


def _drawn(logits_MV: Tensor, originals_M: Tensor, never: Ids, generator: np.random.Generator) -> Tensor:
    """Return a piece for each place, drawn from the most probable ones without that which stood there."""
    logits_MV[:, torch.from_numpy(never)] = -torch.inf
    logits_MV[torch.arange(len(originals_M)), originals_M] = -torch.inf
    best_MK, ids_MK = logits_MV.topk(min(MOST_PROBABLE, logits_MV.shape[1]))
    draw_M1 = torch.from_numpy(generator.random((len(originals_M), 1)))
    drawn_M1 = (torch.softmax(best_MK.double(), 1).cumsum(1) < draw_M1).sum(1, keepdim=True)
    return ids_MK.gather(1, drawn_M1.clamp(max=ids_MK.shape[1] - 1))[:, 0]


def _chosen(
    ids: Sequence[int], continues: NDArray[np.bool_], never: Ids, generator: np.random.Generator
) -> list[int]:
    """Return the places of some words of one piece, at least one where there is one."""
    pieces = np.asarray(ids)
    goes_on = np.append(continues[pieces[1:]], False)
    words = np.flatnonzero(~np.isin(pieces, never) & ~goes_on)
    count = min(len(words), max(1, round(SWAP_SHARE * len(words))))
    return sorted(generator.choice(words, count, replace=False).tolist())
