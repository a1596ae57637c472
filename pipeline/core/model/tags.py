"""Entities as labels of tokens: the first token of one is B, the others are I, all else is O.

Tag 0 is O; label number l has the tags 1 + 2l (B) and 2 + 2l (I).
Source: Ramshaw and Marcus, 1995. Shapes: T tokens, C tags, L labels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.base.tasks.spans import Span

OUTSIDE = 0
# What training passes over: special tokens.
IGNORED = -100
Place = tuple[int, int]


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
    for row, tag in enumerate(tags):
        if tag in (OUTSIDE, IGNORED):
            continue
        label, inside = divmod(tag - 1, 2)
        if inside and entities and entities[-1][1:] == (row, label):
            entities[-1] = (entities[-1][0], row + 1, label)
        else:
            entities.append((row, row + 1, label))
    return entities


def spans_of(tags: Sequence[int], places: Sequence[Place], labels: Sequence[str]) -> list[Span]:
    """Return the entities of tags as spans of characters."""
    return [
        Span(places[first][0], places[behind - 1][1], labels[label])
        for first, behind, label in entities_of(tags)
    ]


def best_tags(probabilities_TC: NDArray[np.float64], places: Sequence[Place]) -> list[int]:
    """Return the most probable tag of each token; special tokens have none."""
    best_T = probabilities_TC.argmax(axis=1)
    return [IGNORED if start == end else int(tag) for tag, (start, end) in zip(best_T, places, strict=True)]


def label_probabilities(
    probabilities_TC: NDArray[np.float64], places: Sequence[Place]
) -> NDArray[np.float64]:
    """Return for each label the highest probability of any token to be part of such an entity; L."""
    is_text_T = np.array([start != end for start, end in places], dtype=bool)
    by_label_TL = probabilities_TC[:, 1::2] + probabilities_TC[:, 2::2]
    return np.asarray(by_label_TL[is_text_T].max(axis=0, initial=0.0))
