"""Changed copies of training texts, which are learnt beside them with the same answer."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.base.config import AugmentConfig
from pipeline.base.seeds import seed_for
from pipeline.core.augment.changed_texts import CHANGES, changed

if TYPE_CHECKING:
    from pipeline.core.methods.word_swaps import WordSwaps
    from pipeline.core.train.objectives import EncoderStart

Texts = Sequence[Sequence[int]]
# Tokens and targets of some texts, by the names that the task gives them.
Columns = Mapping[str, Any]
# The number of the label of each tokenized text.
LabelCheck = Callable[[Texts], Sequence[int]]
# So many texts teach the classifier that checks swapped ones.
CHECK_TEXTS = 4096


@dataclass(frozen=True)
class SwappedWords:
    """Hold what swaps words, and what says whether the label is still that of the text."""

    swaps: "WordSwaps"
    check: LabelCheck
    labels: Sequence[str]


@dataclass(frozen=True)
class KnownBatch:
    """Hold texts, the answer of each, and their columns: tokens and targets."""

    texts: Sequence[str]
    answers: Sequence[str]
    columns: Columns

    @property
    def tokens(self) -> Texts:
        """Return the tokens of the texts."""
        tokens: Texts = self.columns["tokens"]
        return tokens

    def with_tokens(self, rows: Sequence[int], tokens: Texts) -> Columns:
        """Return the columns of some rows with other tokens."""
        return {
            name: tokens if name == "tokens" else _taken(values, rows)
            for name, values in self.columns.items()
        }


@dataclass(frozen=True)
class Copies:
    """Make changed copies of a share of the texts; `encode` returns the tokens of texts."""

    cfg: AugmentConfig
    seed: int
    encode: Callable[[Sequence[str]], list[list[int]]]
    words: SwappedWords | None = None

    def of(self, number: int, batch: KnownBatch) -> Columns | None:
        """Return the columns of copies of the texts of a numbered batch, None where there is none.

        A copy of the same tokens as its text, as of another case for a model that reads none, is no copy. A
        text with swapped words counts where the check still finds its label.
        """
        shares = {"typos": self.cfg.typos, "case": self.cfg.case, "words": self.cfg.words}
        made: list[tuple[int, Sequence[int]]] = []
        for kind, share in shares.items():
            generator = np.random.default_rng(seed_for(self.seed, "copies", kind, number))
            rows = np.flatnonzero(generator.random(len(batch.texts)) < share).tolist()
            if rows and kind in CHANGES:
                made += self._changed(kind, rows, batch, generator)
            elif rows:
                made += self._swapped(rows, batch, generator)
        made = [(row, ids) for row, ids in made if list(ids) != list(batch.tokens[row])]
        return batch.with_tokens([row for row, _ in made], [ids for _, ids in made]) if made else None

    def _changed(
        self, kind: str, rows: Sequence[int], batch: KnownBatch, generator: np.random.Generator
    ) -> Iterator[tuple[int, Sequence[int]]]:
        letters = random.Random(int(generator.integers(2**62)))
        return zip(rows, self.encode([changed(kind, batch.texts[row], letters) for row in rows]), strict=True)

    def _swapped(
        self, rows: Sequence[int], batch: KnownBatch, generator: np.random.Generator
    ) -> Iterator[tuple[int, Sequence[int]]]:
        assert self.words is not None, "words are asked for without what swaps them"
        swapped = self.words.swaps.swapped([batch.tokens[row] for row in rows], generator)
        for row, ids, label in zip(rows, swapped, self.words.check(swapped), strict=True):
            if self.words.labels[label] == batch.answers[row]:
                yield row, ids


def fit_label_check(start: "EncoderStart", tokens: Texts, labels: Sequence[int], count: int) -> LabelCheck:
    """Return what says the label of texts: a linear classifier on the encoder as it starts."""
    from pipeline.core.model.heads import SentenceEncoder
    from pipeline.core.train.objectives.contrastive import fit_head
    from pipeline.core.train.objectives.labels import LabelledTokens, LabelObjective, predict_outputs

    known = LabelledTokens(tokens, np.asarray(labels, dtype=np.int64))
    objective = LabelObjective(start, known, known, count, 32, 0.0, lambda *_: 0.0, 0)
    classifier = fit_head(objective, SentenceEncoder(start.encoder(0), dropout=0.0))
    return lambda texts: predict_outputs(classifier, texts).argmax(1).tolist()


def _taken(values: Any, rows: Sequence[int]) -> Any:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]
