"""Masked words: the words are masked anew at every step (Devlin et al., 2019; Liu et al., 2019).

Shapes: B texts, T tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import nn

from pipeline.base.seeds import seed_for
from pipeline.core.model.heads import MaskedLanguageModel
from pipeline.core.model.language_models import PackedMaskedLanguageModel
from pipeline.core.train.batches import Batch, Tokens, pad, token_lengths
from pipeline.core.train.masking import IGNORED, WholeWordMasking
from pipeline.core.train.objectives.word_prediction import WordPrediction
from pipeline.core.train.packing import PackedSampler, TokenBudget, pack


@dataclass
class MaskedWordObjective(WordPrediction):
    """Train a masked language model; the masks of validation texts are fixed."""

    masking: WholeWordMasking

    def build_model(self) -> nn.Module:
        """Put an output layer on the encoder, the published one where there is one."""
        return MaskedLanguageModel(self.start.encoder(seed_for(self.seed, "encoder")), self.start.word_head)

    def batch(self, step: int) -> Batch:
        """Return the masked texts of a step."""
        return self._masked(self.train, self.sampler.rows(step).tolist(), "mask", step)

    def valid_batch(self, rows: list[int]) -> Batch:
        """Return some validation texts, masked by the number of the first one."""
        return self._masked(self.valid, rows, "held-out", rows[0])

    def _masked(self, texts: Tokens, rows: list[int], purpose: str, number: int) -> Batch:
        tokens_BT, mask_BT = pad([texts[row] for row in rows])
        generator = np.random.default_rng(seed_for(self.seed, purpose, number))
        masked_BT, targets_BT = self.masking.mask(tokens_BT, mask_BT, generator)
        return Batch(masked_BT, mask_BT, targets_BT, weight=max(1.0, float((targets_BT != IGNORED).sum())))


@dataclass
class PackedWordObjective(MaskedWordObjective):
    """Train a masked language model on rows of several texts, none of which sees another.

    The batch is as large as the token budget; `batch_size` is that of a batch that is not packed.
    """

    budget: TokenBudget

    @cached_property
    def packed_sampler(self) -> PackedSampler:
        """Return the sampler of the texts of each row of each step."""
        return PackedSampler(token_lengths(self.train), self.budget, seed=self.seed)

    def build_model(self) -> nn.Module:
        """Put an output layer on the encoder, the published one where there is one."""
        encoder = self.start.encoder(seed_for(self.seed, "encoder"))
        return PackedMaskedLanguageModel(encoder, self.start.word_head)

    def texts(self, step: int) -> Sequence[Sequence[int]]:
        """Return the row numbers of the texts in each row of the batch of a step."""
        return [texts.tolist() for texts in self.packed_sampler.rows(step)]

    def batch(self, step: int) -> Batch:
        """Return the masked texts of a step, side by side."""
        rows = self.texts(step)
        texts = [text for row in rows for text in row]
        # Each text is masked by itself, so that every one has a masked word.
        alone = self._masked(self.train, texts, "mask", step)
        lengths = alone.mask_BT.sum(1).tolist()
        place = {text: number for number, text in enumerate(texts)}
        tokens_BT, texts_BT = pack(
            [[alone.tokens_BT[place[text], : lengths[place[text]]].numpy() for text in row] for row in rows]
        )
        targets_BT, _ = pack(
            [[alone.targets[place[text], : lengths[place[text]]].numpy() for text in row] for row in rows],
            fill=IGNORED,
        )
        return Batch(tokens_BT, texts_BT, targets_BT, alone.weight)
