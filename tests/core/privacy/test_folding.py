"""The folded view spells alike what reads alike, and every character of it has its place in the source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.privacy.folding import fold


@pytest.mark.parametrize(
    ("text", "view"),
    [
        (
            "212\u2010555\u20111234\u20125\u20136\u20147\u20158\u22129\u00ad0\uff0d1\ufe631",
            "212-555-1234-5-6-7-8-9-0-1-1",
        ),
        ("1\u00a02\u20093\u20074\u30005\t6\n7\u28008", "1 2 3 4 5 6 7 8"),
        ("1\u200b2\u200d3\u2060\ufeff4\ufe0f5", "12345"),
        ("٠١٢۳४५๖７𝟠", "012345678"),
        ("①²₃", "123"),
        ("joe＠x。org or joe﹫x．org", "joe@x.org or joe@x.org"),
        ("＋４４（０）２０", "+44(0)20"),
        ("ＤＥ８９：ｘ", "DE89:x"),
        ("1\u0336\u20e32", "12"),
        ("9⁄11, 9∕11", "9/11, 9/11"),
        ("Größe, naïve, 東京 😡", "Größe, naïve, 東京 😡"),
    ],
)
def test_what_reads_alike_is_spelled_alike(text: str, view: str) -> None:
    assert fold(text).text == view


@given(st.text(max_size=80))
def test_places_are_monotone_and_the_view_never_grows(text: str) -> None:
    folded = fold(text)

    assert len(folded.text) <= len(text)
    assert len(folded.places) == len(folded.text) + 1
    assert list(folded.places) == sorted(set(folded.places))
    assert folded.places[-1] == len(text)


@given(st.text(max_size=80))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    view = fold(text).text

    assert fold(view).text == view


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40), st.data())
def test_a_span_of_the_view_is_the_same_span_of_the_source(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    source = text[:at] + "\u200b\u2060" + text[at:]
    folded = fold(source)

    assert folded.text == text
    start, end = folded.source_span(at, at + 1)
    assert source[start:end].strip("\u200b\u2060") == text[at]


def test_an_ascii_text_is_its_own_view() -> None:
    folded = fold("call 212-555-1234")

    assert folded.text == "call 212-555-1234"
    assert folded.source_span(5, 17) == (5, 17)
