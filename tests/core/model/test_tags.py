"""Entities as tags of tokens, and back."""

import numpy as np

from pipeline.base.tasks.spans import Span
from pipeline.core.model.span_predictor import (
    best_tags,
    entities_of,
    label_probabilities,
    spans_of,
    tag_count,
    tags_of,
)

LABELS = ("person", "place")
# "Ann Lee lives in Lima": [CLS] Ann Le ##e lives in Lima [SEP]
PLACES = [(0, 0), (0, 3), (4, 6), (6, 7), (8, 13), (14, 16), (17, 21), (0, 0)]
SPANS = [Span(0, 7, "person"), Span(17, 21, "place")]
TAGS = [-100, 1, 2, 2, 0, 0, 3, -100]


def test_the_first_token_begins_an_entity_and_the_others_are_inside() -> None:
    assert tags_of(SPANS, PLACES, LABELS) == TAGS
    assert tag_count(len(LABELS)) == 5


def test_tags_become_the_spans_they_were_made_of() -> None:
    assert spans_of(TAGS, PLACES, LABELS) == SPANS


def test_entities_side_by_side_stay_two() -> None:
    assert entities_of([1, 1, 2, 3, 4]) == [(0, 1, 0), (1, 3, 0), (3, 5, 1)]


def test_an_inside_without_a_beginning_begins_an_entity() -> None:
    assert entities_of([0, 2, 2, 4, 0]) == [(1, 3, 0), (3, 4, 1)]


def test_what_is_cut_off_has_no_tag() -> None:
    assert tags_of(SPANS, PLACES[:4], LABELS) == TAGS[:4]


def test_a_token_that_is_half_an_entity_belongs_to_it() -> None:
    assert tags_of([Span(0, 5, "person")], PLACES, LABELS)[:4] == [-100, 1, 2, 0]


def test_special_tokens_have_no_tag_and_no_probability() -> None:
    probabilities = np.full((8, 5), 0.05)
    probabilities[np.arange(8), [4, 1, 2, 2, 0, 0, 3, 4]] = 0.8

    assert best_tags(probabilities, PLACES) == TAGS
    assert label_probabilities(probabilities, PLACES).round(2).tolist() == [0.85, 0.85]
    assert label_probabilities(probabilities[:1], PLACES[:1]).tolist() == [0.0, 0.0]


def test_bytes_of_one_letter_are_one_entity() -> None:
    # "好李 x": the first letter is two pieces, the third piece has the rest of it and the second letter.
    places = [(0, 0), (0, 1), (0, 1), (0, 2), (2, 2), (3, 4), (0, 0)]
    probabilities = np.full((7, 5), 0.05)
    probabilities[np.arange(7), [0, 1, 3, 0, 3, 2, 0]] = 0.8

    tags = best_tags(probabilities, places)

    assert tags == [-100, 1, 2, 2, -100, 2, -100]
    # A blank that is a piece of its own does not divide an entity.
    assert spans_of(tags, places, LABELS) == [Span(0, 4, "person")]
    probabilities[1] = [0.8, 0.05, 0.05, 0.05, 0.05]
    assert spans_of(best_tags(probabilities, places), places, LABELS) == [Span(3, 4, "person")]


def test_an_entity_of_bytes_has_a_tag_for_each_and_comes_back() -> None:
    places = [(0, 0), (0, 1), (0, 1), (1, 1), (2, 3), (2, 3), (0, 0)]
    spans = [Span(2, 3, "place")]

    tags = tags_of(spans, places, LABELS)

    assert tags == [-100, 0, 0, -100, 3, 4, -100]
    assert spans_of(tags, places, LABELS) == spans
