"""A tag for each word becomes entities, in every dialect of CoNLL."""

import pytest

from pipeline.base.errors import DataRejected
from pipeline.base.tasks.word_tags import read_tags, spans_of_words, word_entities


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        ("O B-a I-a O", [(1, 3, "a")]),
        ("B-a B-a I-b", [(0, 1, "a"), (1, 2, "a"), (2, 3, "b")]),
        ("I-a I-a O I-a", [(0, 2, "a"), (3, 4, "a")]),  # IOB1
        ("B-a E-a S-a S-a", [(0, 2, "a"), (2, 3, "a"), (3, 4, "a")]),  # IOBES
        ("B-a I-a L-a U-b I-b", [(0, 3, "a"), (3, 4, "b"), (4, 5, "b")]),  # BILOU
        ("O O", []),
    ],
)
def test_tags_are_entities_from_their_first_word_to_their_last(tags: str, entities: list[object]) -> None:
    assert word_entities(tags.split()) == entities


def test_a_cell_of_other_words_holds_no_tags() -> None:
    assert read_tags("O B-place") == ["O", "B-place"]
    assert read_tags("DT JJ NN") is None
    assert read_tags("") is None


def test_entities_lie_where_their_words_stand() -> None:
    (one,) = spans_of_words(["O", "B-place", "I-place"], "in  New York")

    assert one == (4, 12, "place")


def test_more_tags_than_words_are_refused() -> None:
    with pytest.raises(DataRejected, match="3 tags for 2 words"):
        spans_of_words(["O", "O", "O"], "New York")
