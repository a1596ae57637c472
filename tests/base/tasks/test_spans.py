"""Entities of a text: how they are written, what does not fit, and how cleaning moves them."""

import pytest

from pipeline.base.errors import DataRejected
from pipeline.base.tasks.spans import Span, dump_spans, load_spans, moved_spans, span_fault

LABELS = ("person", "place")
TEXT = "Ann Lee lives in Lima"
SPANS = (Span(0, 7, "person"), Span(17, 21, "place"))


def test_objects_and_lists_are_read_in_order() -> None:
    written = '[[17, 21, "place"], {"start": 0, "end": 7, "label": "person", "id": 3}]'

    assert load_spans(written) == SPANS
    assert load_spans(dump_spans(SPANS)) == SPANS
    assert load_spans("[]") == ()


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("Ann", "is no JSON"),
        ('{"start": 0}', "is no list of spans"),
        ('[{"start": 0, "end": 7}]', "is no span: write start, end and label"),
        ('[[0, "7", "person"]]', "is no span"),
        ("[[0, 7, 1]]", "is no span"),
        ("[[true, 7, 1]]", "is no span"),
        ("[7]", "is no span"),
    ],
)
def test_what_is_no_list_of_spans_is_refused(written: str, why: str) -> None:
    with pytest.raises(DataRejected, match=why):
        load_spans(written)


@pytest.mark.parametrize(
    ("spans", "fault"),
    [
        ([Span(17, 22, "place")], "the span 17 to 22 (place) lies outside its text of 21 characters"),
        ([Span(-1, 3, "person")], "the span -1 to 3 (person) lies outside its text of 21 characters"),
        ([Span(4, 4, "person")], "the span 4 to 4 (person) ends where it starts, or before"),
        (
            [Span(0, 7, "person"), Span(4, 9, "place")],
            "the span 4 to 9 (place) overlaps with the one from 0 to 7 (person)",
        ),
        (
            [Span(0, 7, "animal")],
            "the span 0 to 7 (animal) has a label that collect.labels does not name: person, place",
        ),
        ([], None),
        ([Span(0, 3, "person"), Span(3, 7, "person")], None),
        (list(SPANS), None),
    ],
)
def test_spans_that_do_not_fit_their_text_are_named(spans: list[Span], fault: str | None) -> None:
    assert span_fault(spans, len(TEXT), LABELS) == fault


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        (TEXT, ["Ann Lee", "Lima"]),
        ("Ann  Lee   lives in Lima".replace("  ", " "), ["Ann Lee", "Lima"]),
        ("lives in Lima", ["Lima"]),
        ("[name] lives in Lima", ["[name]", "Lima"]),
        ("Ann Lee lives in L\u00edma", ["Ann Lee", "L\u00edma"]),
        ("", []),
    ],
)
def test_cleaning_moves_spans_with_their_words(changed: str, names: list[str]) -> None:
    moved = load_spans(moved_spans(dump_spans(SPANS), TEXT, changed))

    assert [changed[span.start : span.end] for span in moved] == names


def test_markup_around_an_entity_is_no_part_of_it() -> None:
    text = "<b>Ann &amp; Co</b> is in Lima"
    spans = [Span(3, 15, "person"), Span(26, 30, "place")]

    moved = load_spans(moved_spans(dump_spans(spans), text, "Ann & Co is in Lima"))

    assert [("Ann & Co is in Lima"[one.start : one.end], one.label) for one in moved] == [
        ("Ann & Co", "person"),
        ("Lima", "place"),
    ]
