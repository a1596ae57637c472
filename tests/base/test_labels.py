"""A label is one label in every spelling of a table, and no two labels become one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.labels import LabelMap, is_no_label, label_key, pack_labels, repeated, unpack_labels

EMOTIONS = LabelMap(("joy", "anger", "calm"), {"0": "joy", "1": "anger", "sad, very": "calm"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("1", " +1 "),
        ("-0", "0.00"),
        ("1e2", "100"),
        ("Positive", "positive\u200b"),
        ("\ufeffNEG", "neg"),
        ("déçu", "DE\u0301C\u0327U"),
        ("very  good", "very\u00a0good"),
        ("straße", "STRASSE"),
    ],
)
def test_spellings_of_one_label_are_equal(one: str, other: str) -> None:
    assert label_key(one) == label_key(other)


@pytest.mark.parametrize(("one", "other"), [("1", "-1"), ("1", "1.5"), ("pos", "positive"), ("1", "one")])
def test_two_labels_stay_two(one: str, other: str) -> None:
    assert label_key(one) != label_key(other)


@given(st.text(max_size=20))
def test_the_key_of_a_key_is_itself(written: str) -> None:
    assert label_key(label_key(written)) == label_key(written)


@pytest.mark.parametrize(
    ("written", "separator", "labels"),
    [
        ("0,1", None, ["joy", "anger"]),
        ("calm; joy", None, ["joy", "calm"]),
        ("['joy', 'anger']", None, ["joy", "anger"]),
        ("1,1.0", None, ["anger"]),
        ("joy/calm", "/", ["joy", "calm"]),
        ("joy,unheard", None, []),
        ("joy/calm", None, []),
    ],
)
def test_several_labels_of_a_cell_are_found(written: str, separator: str | None, labels: list[str]) -> None:
    assert EMOTIONS.find_all(written, separator) == labels


def test_a_label_with_a_comma_is_one() -> None:
    assert EMOTIONS.find("Sad, very") == "calm"
    assert EMOTIONS.find("unheard") is None


@pytest.mark.parametrize("written", ["", "NaN", " null ", "N/A", "-"])
def test_what_stands_for_no_label_is_none(written: str) -> None:
    assert is_no_label(written)


def test_a_label_in_two_spellings_is_repeated() -> None:
    assert repeated(["1", "2", "1.0", "good", "Good "]) == ["1.0", "Good "]


@given(st.lists(st.text(max_size=8)))
def test_further_labels_survive_a_round_trip(labels: list[str]) -> None:
    assert unpack_labels(pack_labels(labels)) == tuple(labels)


def test_two_labels_can_change_places_and_a_chain_is_one_step() -> None:
    swapped = LabelMap(("negative", "neutral", "positive"), {"negative": "positive", "positive": "negative"})
    chained = LabelMap(("bad", "fine", "good"), {"bad": "fine", "fine": "good", "good": "bad"})

    assert [swapped.find(name) for name in ("Negative", "neutral", " POSITIVE")] == [
        "positive",
        "neutral",
        "negative",
    ]
    assert [chained.find(name) for name in ("bad", "fine", "good")] == ["fine", "good", "bad"]
