"""Texts as other people would have typed them: each stays the same text to a reader."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.augment.changed_texts import CHANGES, changed, in_another_case, with_typos


def test_some_words_get_a_typo_and_keep_their_ends():
    text = "an absolutely wonderful evening with brilliant people and terrible coffee"

    found = with_typos(text, random.Random(3))

    words, before = found.split(), text.split()
    assert len(words) == len(before)
    assert 1 <= sum(one != other for one, other in zip(words, before, strict=True)) <= 2
    assert all((one[0], one[-1]) == (other[0], other[-1]) for one, other in zip(words, before, strict=True))


@pytest.mark.parametrize(
    ("text", "others"), [("So good", {"so good", "SO GOOD", "So Good"}), ("no", {"NO", "No"})]
)
def test_another_case_is_one_that_people_type(text, others):
    assert {in_another_case(text, random.Random(seed)) for seed in range(40)} == others


@pytest.mark.parametrize("text", ["很好", "12 : 3", "😀", "", "a b c"])
def test_a_text_without_long_words_has_no_typo(text):
    assert with_typos(text, random.Random(1)) == text


def test_the_target_of_a_text_stays():
    for kind in CHANGES:
        found = changed(kind, "the soup was terribly cold\nSoup of the day", random.Random(5))

        assert found.splitlines()[1] == "Soup of the day"
        assert found.splitlines()[0] != "the soup was terribly cold"


@given(st.text(max_size=60), st.integers(0, 50))
def test_the_same_seed_changes_a_text_alike_and_never_into_nothing(text, seed):
    for kind in CHANGES:
        found = changed(kind, text, random.Random(seed))

        assert found == changed(kind, text, random.Random(seed))
        assert bool(found.strip()) == bool(text.replace("\n", " ").strip()) or "\n" in text
