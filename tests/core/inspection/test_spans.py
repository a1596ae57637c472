"""A column of entities is found by its cells, and the labels in them are named."""

import json

import pytest

from pipeline.core.inspection.columns import find_roles
from pipeline.core.inspection.spans import entity_labels


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ('[{"start": 0, "end": 4, "label": "place"}]', ["place"]),
        ('[[0, 4, "place"], [6, 9, "person"]]', ["place", "person"]),
        ("[]", []),
        ("B-PER I-PER O B-LOC", ["PER", "LOC"]),
        ("O O O", []),
        ("[food, price]", None),
        ("[1, 2, 3]", None),
        ("DT NN", None),
    ],
)
def test_a_cell_of_entities_names_their_labels(cell: str, labels: list[str] | None) -> None:
    assert entity_labels(cell) == labels


def test_a_column_of_entities_leaves_no_other_label() -> None:
    spans = [json.dumps([[0, 4, "place"]] if number % 2 else []) for number in range(40)]
    rows = [
        {"text": f"Lima was lovely on day {number}", "spans": one, "tone": ("good", "bad")[number % 2]}
        for number, one in enumerate(spans)
    ]

    found = find_roles(("text", "spans", "tone"), rows)

    assert (found.text, found.spans, found.label) == ("text", "spans", "")


def test_codes_that_look_like_tags_are_no_entities() -> None:
    rows = [
        {
            "text": f"the bread was fresh on day {number}",
            "shelf": f"B-{number % 9}",
            "tone": ("good", "bad")[number % 2],
        }
        for number in range(60)
    ]

    assert find_roles(("text", "shelf", "tone"), rows).spans == ""
