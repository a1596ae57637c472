"""Cells of entities: read by their label, refused with their place where they do not fit."""

import pytest

from pipeline.base.errors import DataRejected
from pipeline.io.sources.span_cells import read_spans

LABELS = ("person", "place")
TEXT = "Ann Lee lives in Lima"
RENAMES = {"PER": "person", "LOC": "place"}


def read(written: str) -> str:
    return read_spans(written, TEXT, "source x, row 3", lambda label: RENAMES.get(label, label), LABELS)


def test_labels_are_spelled_as_collect_labels_are() -> None:
    written = '[{"start": 17, "end": 21, "label": "LOC"}, [0, 7, "PER"]]'

    assert read(written) == (
        '[{"start": 0, "end": 7, "label": "person"}, {"start": 17, "end": 21, "label": "place"}]'
    )


def test_an_empty_cell_says_nothing_and_an_empty_list_that_there_are_none() -> None:
    assert read(" ") == ""
    assert read("[]") == "[]"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("Ann Lee", "source x, row 3: 'Ann Lee' is no JSON"),
        ('[[0, 99, "PER"]]', "source x, row 3: the span 0 to 99 .person. lies outside its text of 21"),
        ('[[0, 7, "PER"], [4, 9, "LOC"]]', "source x, row 3: the span 4 to 9 .place. overlaps"),
        ('[[0, 7, "ORG"]]', "source x, row 3: .* has a label that collect.labels does not name"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(written: str, message: str) -> None:
    with pytest.raises(DataRejected, match=message):
        read(written)


def test_a_tag_for_each_word_is_a_list_of_entities() -> None:
    assert read("B-PER I-PER O O B-LOC") == (
        '[{"start": 0, "end": 7, "label": "person"}, {"start": 17, "end": 21, "label": "place"}]'
    )
    assert read("O O O O O") == "[]"
    with pytest.raises(DataRejected, match="source x, row 3: 2 tags for 5 words"):
        read("B-PER O")
