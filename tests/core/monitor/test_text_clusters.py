"""Copies of a text are one cluster: exact ones by their name, near ones by their signature."""

import random
import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.core.monitor.text_clusters import (
    are_near_copies,
    bands,
    share_of_near_copies,
    signature,
    text_cluster,
)

TEXT = "The new phone is really great, I like the camera and the battery lasts two days"


@pytest.mark.parametrize(
    "copy",
    [
        f"RT @joe: {TEXT}",
        f"rt @a @b {TEXT.upper()}!!!",
        f"{TEXT} https://t.example/x1?y=2",
        f"{TEXT} via @paper",
        f"  {TEXT.replace(' ', '   ')} :)",
        f"Fwd: {TEXT}",
        TEXT.replace("camera", "ｃａｍｅｒａ"),
    ],
)
def test_what_platforms_and_people_add_makes_no_new_cluster(copy: str) -> None:
    assert text_cluster(copy) == text_cluster(TEXT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("good", "bad"),
        ("👍", "👎"),
        ("", "a"),
        ("not good", "good"),
        ("I like", "I like not"),
        (":)", ":("),
    ],
)
def test_different_texts_are_different_clusters(one: str, other: str) -> None:
    assert text_cluster(one) != text_cluster(other)


def test_a_key_hides_the_text() -> None:
    assert text_cluster("good", key=b"a") != text_cluster("good", key=b"b")
    assert text_cluster("good", key=b"a") == text_cluster("Good!", key=b"a")


@given(st.text())
def test_any_text_has_a_cluster_and_is_a_near_copy_of_itself(text: str) -> None:
    assert len(text_cluster(text)) == 16
    assert are_near_copies(signature(text), signature(text))
    assert len(set(bands(signature(text)))) == 16


@pytest.mark.parametrize(
    "text",
    [
        " " * 10_000,
        "@a" * 5_000,
        "rt " * 3_000,
        "via @a " * 1_500,
        "[a" * 5_000,
        "www." * 2_500,
        "\ufdfa" * 10_000,
    ],
)
def test_a_hostile_text_costs_no_more_than_a_long_one(text: str) -> None:
    begin = time.process_time()
    text_cluster(text)

    assert time.process_time() - begin < 0.25


def syndicated(words: list[str], chance: random.Random) -> str:
    """Return an article of 60 words with two of them changed."""
    changed = list(words)
    for place in chance.sample(range(len(words)), 2):
        changed[place] = f"other{place}"
    return " ".join(changed)


def test_syndicated_articles_are_found_and_others_are_not() -> None:
    chance = random.Random(20)
    vocabulary = [f"{chance.choice('bcdfgklmnprst')}{chance.choice('aeiou')}{n}" for n in range(3000)]
    articles = [chance.sample(vocabulary, 60) for _ in range(150)]
    originals = [signature(" ".join(words)) for words in articles]
    copies = [signature(syndicated(words, chance)) for words in articles]

    # An overlap of about 0.8 is estimated below 0.75 in some of a hundred; others share a tenth at most.
    assert sum(map(is_found, originals, copies)) >= 142
    assert not any(is_found(one, other) for one, other in combinations(originals, 2))


def is_found(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> bool:
    """Return whether a text is found by a band of its copy, and is near it."""
    return bool(set(bands(one)) & set(bands(other))) and are_near_copies(one, other)


def test_near_copies_are_counted_as_pairs_and_different_texts_are_not() -> None:
    words = [f"{letter}word{number}" for letter in "abcdefgh" for number in range(300)]
    draw = random.Random(7)
    different = [" ".join(draw.sample(words, 20)) for _ in range(90)]
    story = " ".join(draw.sample(words, 40))
    syndicated = [f"{story} page {number}" for number in range(10)]

    assert share_of_near_copies(different) == 0
    assert share_of_near_copies([*different, *syndicated]) == pytest.approx(10 * 9 / (100 * 99))
    assert share_of_near_copies([story] * 5) == 1
    assert (share_of_near_copies([]), share_of_near_copies(["one"])) == (0, 0)


def test_of_many_texts_an_even_choice_is_compared() -> None:
    texts = [
        f"text number {number * 7919} of a long day" if number % 2 else "the same story"
        for number in range(9000)
    ]

    assert share_of_near_copies(texts) > 0.2
