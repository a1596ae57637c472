"""Near duplicates: what copies add is overlooked, and pairs are those of an exact comparison."""

import itertools

import numpy as np
import pytest

from pipeline.core.clean.near_duplicates import near_duplicate_clusters, plain_words

SENTENCE = "We waited an hour for a table, and then the soup was cold."


@pytest.mark.parametrize(
    "copy",
    [
        SENTENCE.upper(),
        "RT @guest: " + SENTENCE,
        SENTENCE + " https://example.org/a?b=c",
        SENTENCE.replace(",", " --").replace(".", "!!!"),
    ],
)
def test_what_a_copy_adds_is_overlooked(copy: str) -> None:
    assert plain_words(copy) == plain_words(SENTENCE)
    assert near_duplicate_clusters([SENTENCE, "something else", copy], similarity=1.0) == [0, 1, 0]


def test_texts_without_words_are_equal_only_to_themselves() -> None:
    assert near_duplicate_clusters(["🎉🎉", "!!!", "🎉🎉", "RT @a"], similarity=0.8) == [0, 1, 0, 3]


def test_a_changed_word_of_a_long_text_is_a_near_duplicate_and_other_words_are_none() -> None:
    edited, other = SENTENCE.replace("was cold", "was so cold"), "The hour was cold, and the table waited."

    assert near_duplicate_clusters([SENTENCE, edited, other], similarity=0.8) == [0, 0, 2]
    assert near_duplicate_clusters([SENTENCE, edited, other], similarity=0.95) == [0, 1, 2]
    assert near_duplicate_clusters([], similarity=0.8) == []


@pytest.mark.parametrize("similarity", [0.5, 0.8, 0.9])
def test_hardly_a_pair_of_an_exact_comparison_is_missed(similarity: float) -> None:
    random = np.random.default_rng(5)
    words = [f"w{number}" for number in range(60)]
    texts = [" ".join(random.choice(words, size=12)) for _ in range(60)]
    for text in texts[:60]:
        tokens = text.split()
        tokens[int(random.integers(12))] = str(random.choice(words))
        texts.append(" ".join(tokens))
    shingles = [{text[i : i + 5] for i in range(len(text) - 4)} for text in texts]

    clusters = near_duplicate_clusters(texts, similarity=similarity)

    near = [
        (one, other)
        for one, other in itertools.combinations(range(len(texts)), 2)
        if len(shingles[one] & shingles[other]) >= similarity * len(shingles[one] | shingles[other])
    ]
    found = sum(clusters[one] == clusters[other] for one, other in near)
    assert found >= 0.98 * len(near)
    joined = {one for one, root in enumerate(clusters) if clusters.count(root) > 1}
    assert joined <= {text for pair in near for text in pair}
