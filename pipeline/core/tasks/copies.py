"""Changed copies of training texts, which are learnt beside them with the same answer."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.base.config import AugmentConfig
from pipeline.base.seeds import seed_for
from pipeline.core.tasks.changed_texts import CHANGES, changed

if TYPE_CHECKING:
    from pipeline.core.methods.word_swaps import WordSwaps
    from pipeline.core.train.objectives import EncoderStart

Texts = Sequence[Sequence[int]]
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
class Copies:
    """Make changed copies of a share of the texts; `encode` returns the tokens of texts."""

    cfg: AugmentConfig
    seed: int
    encode: Callable[[Sequence[str]], list[list[int]]]
    words: SwappedWords | None = None

    def of(
        self, batch: int, texts: Sequence[str], answers: Sequence[str], columns: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Return the columns of copies of the texts of a numbered batch, None where there is none.

        A copy of the same tokens as its text, as of another case for a model that reads none, is no copy. A
        text with swapped words counts where the check still finds its label.
        """
        rows: list[int] = []
        tokens: list[Sequence[int]] = []
        for kind in (*CHANGES, "words"):
            share = getattr(self.cfg, kind)
            if not share:
                continue
            generator = np.random.default_rng(seed_for(self.seed, "copies", kind, batch))
            chosen = np.flatnonzero(generator.random(len(texts)) < share).tolist()
            for row, ids in self._changed(kind, chosen, texts, answers, columns["tokens"], generator):
                if list(ids) != list(columns["tokens"][row]):
                    rows.append(row)
                    tokens.append(ids)
        if not rows:
            return None
        same = {name: _taken(values, rows) for name, values in columns.items() if name != "tokens"}
        return {"tokens": tokens, **same}

    def _changed(
        self,
        kind: str,
        rows: Sequence[int],
        texts: Sequence[str],
        answers: Sequence[str],
        tokens: Texts,
        generator: np.random.Generator,
    ) -> list[tuple[int, Sequence[int]]]:
        if not rows:
            return []
        if kind in CHANGES:
            letters = random.Random(int(generator.integers(2**62)))
            return list(
                zip(rows, self.encode([changed(kind, texts[row], letters) for row in rows]), strict=True)
            )
        assert self.words is not None, "words are asked for without what swaps them"
        swapped = self.words.swaps.swapped([tokens[row] for row in rows], generator)
        found = [self.words.labels[number] for number in self.words.check(swapped)]
        return [
            (row, ids) for row, ids, label in zip(rows, swapped, found, strict=True) if label == answers[row]
        ]


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
