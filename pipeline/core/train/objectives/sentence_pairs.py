"""Pairs of sentences beside masked words: is it the next one, are they in order?

A text is cut into two where a sentence ends nearest to its middle. Sources: Devlin et al., 2019 (next),
Lan et al., 2020 (order). Shapes: B texts, T tokens, M masked tokens.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.seeds import seed_for
from pipeline.core.model.language_models import SentencePairModel
from pipeline.core.train.batches import Batch, TokenIds, Tokens, pad
from pipeline.core.train.masking import IGNORED
from pipeline.core.train.objectives.masked_words import MaskedWordObjective
from pipeline.core.train.objectives.objective import Metrics, evaluated_at_once, evaluation_mode
from pipeline.core.train.objectives.word_prediction import perplexity

PairQuestion = Literal["next_sentence", "sentence_order"]
# The label of a pair that belongs together; of one that does not: swapped, or from two texts.
TOGETHER, APART = 1, 0


@dataclass(frozen=True)
class SentenceIds:
    """Hold the ids that make a pair: what begins it, what separates it, and what ends a sentence."""

    begin: int
    separator: int
    ends: tuple[int, ...]
    max_tokens: int

    def halves(self, ids: TokenIds, continues: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
        """Cut a text into two sentences, between words; the second is empty where there is one word."""
        inner = [int(number) for number in ids][1:-1]
        places = [place for place in range(1, len(inner)) if not continues[inner[place]]]
        ends = [place for place in places if inner[place - 1] in self.ends]
        if not places:
            return inner, []
        middle = min(ends or places, key=lambda place: abs(place - len(inner) / 2))
        return inner[:middle], inner[middle:]

    def pair(self, first: list[int], second: list[int]) -> tuple[list[int], list[int]]:
        """Return the tokens of a pair and which sentence each belongs to; the longer one is cut."""
        first, second = list(first), list(second)
        while len(first) + len(second) > self.max_tokens - 3:
            (first if len(first) > len(second) else second).pop()
        tokens = [self.begin, *first, self.separator, *second, self.separator]
        return tokens, [0] * (len(first) + 2) + [1] * (len(second) + 1)


@dataclass
class SentencePairObjective(MaskedWordObjective):
    """Train on masked words, and on whether two sentences belong together: half of the pairs do not."""

    question: PairQuestion
    sentences: SentenceIds

    def build_model(self) -> nn.Module:
        """Put a word head and a head for pairs on the encoder."""
        return SentencePairModel(self.start.encoder(seed_for(self.seed, "encoder")), self.start.word_head)

    def batch(self, step: int) -> Batch:
        """Return the pairs of a step, their words masked."""
        return self._pairs(self.train, self.sampler.rows(step).tolist(), "mask", step)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the sum of the mean cross-entropies of masked words and of pairs."""
        words, pairs, _ = self._losses(model, batch)
        return (words + pairs) / batch.weight

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute the perplexity of masked words and the accuracy of pairs in the validation texts."""
        words = pairs = weight = right = 0.0
        with evaluation_mode(model) as device:
            # A pair may be of sentences of the two longest texts.
            for rows in evaluated_at_once([self.sentences.max_tokens] * len(self.valid)):
                batch = self._pairs(self.valid, list(rows), "held-out", rows.start)
                of_words, of_pairs, correct = self._losses(model, batch.to(device))
                words, pairs = words + float(of_words), pairs + float(of_pairs)
                weight, right = weight + batch.weight, right + correct
        accuracy = right / max(1, len(self.valid))
        score = -(words + pairs) / weight
        return {"perplexity": perplexity(words / weight), "pair_accuracy": accuracy, "score": score}

    def _losses(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, int]:
        masked_BT = batch.targets != IGNORED
        logits_MV, logits_B2 = model(batch.tokens_BT, batch.mask_BT, batch.more["types_BT"], masked_BT)
        labels_B = batch.more["pairs_B"]
        words = functional.cross_entropy(logits_MV, batch.targets[masked_BT], reduction="sum")
        each_B = functional.cross_entropy(logits_B2, labels_B, reduction="none")
        # The weight of the batch counts masked words, so a pair weighs as many as there are to a pair.
        pairs = (each_B * batch.more["pair_weight_B"]).sum()
        return words, pairs, int((logits_B2.argmax(1) == labels_B).sum())

    def _pairs(self, texts: Tokens, rows: list[int], purpose: str, number: int) -> Batch:
        generator = np.random.default_rng(seed_for(self.seed, "pairs", purpose, number))
        halves = [self.sentences.halves(texts[row], self.masking.continues) for row in rows]
        # A single text has no other one to take a sentence from.
        together = (generator.random(len(rows)) < 0.5) | (len(rows) == 1)
        pairs = [self._pair(halves, place, bool(together[place])) for place in range(len(rows))]
        tokens_BT, mask_BT = pad([tokens for tokens, _ in pairs])
        types_BT, _ = pad([types for _, types in pairs])
        masks = np.random.default_rng(seed_for(self.seed, purpose, number))
        masked_BT, targets_BT = self.masking.mask(tokens_BT, mask_BT, masks)
        weight = max(1.0, float((targets_BT != IGNORED).sum()))
        more = {
            "types_BT": types_BT,
            "pairs_B": torch.from_numpy(np.where(together, TOGETHER, APART)),
            "pair_weight_B": torch.full((len(rows),), weight / len(rows)),
        }
        return Batch(masked_BT, mask_BT, targets_BT, weight, more)

    def _pair(
        self, halves: list[tuple[list[int], list[int]]], place: int, together: bool
    ) -> tuple[list[int], list[int]]:
        first, second = halves[place]
        if together:
            return self.sentences.pair(first, second)
        if self.question == "sentence_order":
            return self.sentences.pair(second, first)
        return self.sentences.pair(first, halves[(place + 1) % len(halves)][1])
