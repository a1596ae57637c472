"""Predict the entities of texts: a tag for each token, joined to spans of characters.

The first token of an entity is B, the others are I, all else is O (Ramshaw and Marcus, 1995): tag 0 is O,
label number l has the tags 1 + 2l (B) and 2 + 2l (I).
Shapes: N texts, T tokens, C tags, L labels.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.base.tasks.spans import Span, dump_spans, moved_spans
from pipeline.core.model.decoding import softmax
from pipeline.core.model.predictor import Predictions, Predictor, length_batches
from pipeline.core.model.tokenizer import encode_with_places

TOKEN_LOGITS = "token_logits"
OUTSIDE = 0
# What training passes over: special tokens.
IGNORED = -100
Place = tuple[int, int]


class SpanPredictor(Predictor):
    """Predict entities; places count characters of the text that is given.

    A text whose least certain token has a probability below `uncertain` is uncertain.
    """

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Prepare texts and predict them; places are those in the texts as they are given."""
        found = super().predict(texts)
        moved = map(self.in_text, found.labels, found.cleaned, texts)
        return dataclasses.replace(found, labels=tuple(moved))

    def in_text(self, answer: str, cleaned: str, text: str) -> str:
        """Return the entities of a cleaned text where they stand in the text that was sent."""
        return moved_spans(answer, cleaned, text)

    def predict_cleaned(self, cleaned: Sequence[str]) -> Predictions:
        """Predict texts that are prepared already, in their order."""
        tokens, places = encode_with_places(self._tokenizer, cleaned)
        tables = [softmax(logits_TC / self.temperature) for logits_TC in self.token_logits(tokens)]
        tags = [best_tags(*one) for one in zip(tables, places, strict=True)]
        answers = [dump_spans(spans_of(*one, self.labels)) for one in zip(tags, places, strict=True)]
        probabilities = [label_probabilities(*one) for one in zip(tables, places, strict=True)]
        certain = [certainty(*one) >= self.uncertain for one in zip(tables, places, strict=True)]
        return Predictions(
            tuple(answers),
            np.array(probabilities).reshape(len(cleaned), len(self.labels)),
            tuple(not one for one in certain),
            tuple(ids.count(self._unknown) / max(1, len(ids)) for ids in tokens),
            tuple(cleaned),
            tuple(_is_cut(*one) for one in zip(cleaned, places, strict=True)),
        )

    def answers(self, cleaned: Sequence[str]) -> tuple[str, ...]:
        """Return the answers for cleaned texts."""
        return self.predict_cleaned(cleaned).labels

    def tagged_logits(self, cleaned: Sequence[str]) -> tuple[list[NDArray[np.float64]], list[list[Place]]]:
        """Return the logits of the tags of each text's tokens, and which characters each token stands for."""
        tokens, places = encode_with_places(self._tokenizer, cleaned)
        return self.token_logits(tokens), places

    def token_logits(self, tokens: Sequence[Sequence[int]]) -> list[NDArray[np.float64]]:
        """Return the logits of the tags of each text's tokens, before the temperature; N of TxC."""
        found: list[NDArray[np.float64]] = [np.zeros((0, 0))] * len(tokens)
        for rows in length_batches([len(ids) for ids in tokens], threads=self._threads):
            values_BTC = self._run(TOKEN_LOGITS, [tokens[row] for row in rows])
            for row, values_TC in zip(rows, values_BTC, strict=True):
                found[row] = values_TC.astype(np.float64)
        return found


def certainty(probabilities_TC: NDArray[np.float64], places: Sequence[Place]) -> float:
    """Return the probability of the least certain token of a text; 1 where it has none."""
    best = [row.max() for row, (start, end) in zip(probabilities_TC, places, strict=True) if start != end]
    return float(min(best, default=1.0))


def _is_cut(text: str, places: Sequence[Place]) -> bool:
    """Return whether letters are left behind the last token."""
    return bool(text[max((end for _, end in places), default=0) :].strip())


def tag_count(labels: int) -> int:
    """Return the number of tags."""
    return 1 + 2 * labels


def tags_of(spans: Sequence[Span], places: Sequence[Place], labels: Sequence[str]) -> list[int]:
    """Return the tag of each token; a token belongs to the entity that has one of its characters.

    What lies behind the last token of a text that is cut has no tag.
    """
    tags = [IGNORED if start == end else OUTSIDE for start, end in places]
    for span in spans:
        within = [
            row for row, (start, end) in enumerate(places) if start < min(end, span.end) and end > span.start
        ]
        for number, row in enumerate(within):
            tags[row] = 1 + 2 * labels.index(span.label) + (number > 0)
    return tags


def entities_of(tags: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the entities of tags: first token, token behind the last one, and number of the label.

    An I without a B of its label before it begins an entity, as in the evaluation of CoNLL-2000.
    """
    entities: list[tuple[int, int, int]] = []
    # The label of the entity that goes on; a token without a tag, such as a blank, does not end it.
    opened: int | None = None
    for row, tag in enumerate(tags):
        if tag == IGNORED:
            continue
        label, inside = divmod(tag - 1, 2)
        if tag == OUTSIDE:
            opened = None
        elif inside and opened == label:
            entities[-1] = (entities[-1][0], row + 1, label)
        else:
            entities.append((row, row + 1, label))
            opened = label
    return entities


def spans_of(tags: Sequence[int], places: Sequence[Place], labels: Sequence[str]) -> list[Span]:
    """Return the entities of tags as spans of characters."""
    return [
        Span(places[first][0], places[behind - 1][1], labels[label])
        for first, behind, label in entities_of(tags)
    ]


def best_tags(probabilities_TC: NDArray[np.float64], places: Sequence[Place]) -> list[int]:
    """Return the most probable tag of each token; special tokens have none.

    Tokens that share a character, as its bytes, are one entity or none: that of the first of them.
    """
    tags: list[int] = []
    before, read = OUTSIDE, 0
    for best, (start, end) in zip(probabilities_TC.argmax(axis=1).tolist(), places, strict=True):
        if start == end:
            tags.append(IGNORED)
            continue
        shares = start < read
        # The tag inside of a label is the even one above its beginning.
        before = before + before % 2 if shares else best
        read = max(read, end)
        tags.append(before)
    return tags


def label_probabilities(
    probabilities_TC: NDArray[np.float64], places: Sequence[Place]
) -> NDArray[np.float64]:
    """Return for each label the highest probability of any token to be part of such an entity; L."""
    is_text_T = np.array([start != end for start, end in places], dtype=bool)
    by_label_TL = probabilities_TC[:, 1::2] + probabilities_TC[:, 2::2]
    return np.asarray(by_label_TL[is_text_T].max(axis=0, initial=0.0))
