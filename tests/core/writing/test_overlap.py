"""BLEU and chrF against values that were computed by hand."""

import math

import numpy as np
import pytest

from pipeline.core.writing.overlap import overlap, overlap_counts


def scores(*pairs: tuple[str, str]) -> tuple[float, float]:
    """Return BLEU and chrF of pairs of a reference and what was written."""
    found = overlap(overlap_counts(pairs).sum(axis=0))
    return float(found.bleu), float(found.chrf)


def test_an_equal_text_has_both_at_1_however_short_it_is() -> None:
    assert scores(("good", "Good")) == (1.0, 1.0)
    assert scores(("the soup was cold again today", "the soup was cold again today")) == (1.0, 1.0)


def test_bleu_is_the_geometric_mean_of_four_precisions() -> None:
    # 4 of 5 words, 3 of 4 pairs, 2 of 3, 1 of 2; as long as the reference.
    assert scores(("a b c d e", "a b c d x"))[0] == pytest.approx((4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


def test_bleu_punishes_what_is_shorter_than_its_reference() -> None:
    assert scores(("a b c d e f", "a b c d e"))[0] == pytest.approx(math.exp(1 - 6 / 5))


def test_a_word_counts_no_more_often_than_the_reference_has_it() -> None:
    # The example of Papineni et al. (2002): 2 of 7.
    (counts,) = overlap_counts([("the cat is on the mat", "the the the the the the the")])

    assert (counts[0], counts[4]) == (2, 7)
    assert scores(("the cat is on the mat", "the the the the the the the"))[0] == 0.0


def test_chrf_is_f2_of_the_means_over_the_orders_that_occur() -> None:
    # 2 of 3 letters, 1 of 2 pairs, 0 of 1: precision and recall are equal.
    assert scores(("abc", "abd"))[1] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    # Precision 1; recall 2 of 4 letters and 1 of 3 pairs; nothing of three letters was written.
    recall = (2 / 4 + 1 / 3) / 2
    assert scores(("a bcd", "ab"))[1] == pytest.approx(5 * recall / (4 + recall))


def test_scores_of_a_corpus_are_of_summed_counts() -> None:
    # 4 + 1 of 5 + 1 words, and only the first text has longer n-grams.
    expected = (5 / 6 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25

    assert scores(("a b c d e", "a b c d x"), ("f", "f"))[0] == pytest.approx(expected)


def test_nothing_written_has_both_at_0() -> None:
    assert scores(("a b", "")) == (0.0, 0.0)


def test_resampled_counts_are_scored_row_by_row() -> None:
    counts = overlap_counts([("a b", "a b"), ("a b", "c d")])

    assert np.asarray(overlap(counts).bleu).tolist() == [1.0, 0.0]
