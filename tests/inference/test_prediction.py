"""What a client reads of an answer: its items, typed, beside the answer as one string."""

from pipeline.inference.prediction import items_name, items_of


def test_entities_are_spans_with_their_text() -> None:
    best = '[{"start": 0, "end": 7, "label": "person"}, {"start": 17, "end": 21, "label": "place"}]'

    assert items_of(best, "Ann Lee lives in Lima", "token_labels") == {
        "spans": [
            {"start": 0, "end": 7, "label": "person", "text": "Ann Lee"},
            {"start": 17, "end": 21, "label": "place", "text": "Lima"},
        ]
    }
    assert items_of("[]", "it rained", "token_labels") == {"spans": []}


def test_several_labels_are_a_list() -> None:
    assert items_of("food + service", "any text", "multi_label") == {"labels": ["food", "service"]}
    assert items_of("no label", "any text", "multi_label") == {"labels": []}


def test_one_label_has_no_items() -> None:
    for task in ("single_label", "ordinal", "aspect"):
        assert items_of("good", "any text", task) == {}
        assert items_name(task) is None
