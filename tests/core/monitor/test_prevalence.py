"""Prevalence corrected for the model's errors, tested on simulated worlds whose truth is known."""

import json

import numpy as np
import pytest
from confusions import GOOD, GOOD_COUNTS, LABELS, WEAK, Array, bootstrap_settings, sample_confusion
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.monitor import prevalence


def predicted_counts(
    rates: Array, truth: tuple[float, ...], texts: int, random: np.random.Generator
) -> Array:
    return sample_confusion(rates, texts, random, truth).sum(axis=0)


def coverage(rates: Array, truth: tuple[float, ...], *, texts: int, test_texts: int) -> list[float]:
    """Return in which share of 500 worlds the interval of each label covers the truth."""
    random, hits = np.random.default_rng(20), np.zeros(3)
    for seed in range(500):
        shares = prevalence.estimate_prevalence(
            predicted_counts(rates, truth, texts, random),
            sample_confusion(rates, test_texts, random),
            LABELS,
            bootstrap_settings(seed),
        )
        assert shares is not None
        hits += [
            shares[label]["low"] <= true <= shares[label]["high"]
            for label, true in zip(LABELS, truth, strict=True)
        ]
    return list((hits / 500).round(3))


def test_a_correction_worked_by_hand() -> None:
    # Of negative texts 8 in 10 are predicted right, of positive ones 9 in 10: 0.8 p + 0.1 (1 - p) = 0.38.
    shares = prevalence.estimate_prevalence(
        [38, 62], [[80, 20], [10, 90]], ("negative", "positive"), bootstrap_settings(1)
    )

    assert shares is not None
    assert shares["negative"]["raw"] == pytest.approx(0.38)
    assert shares["negative"]["share"] == pytest.approx(0.4)
    assert shares["positive"]["share"] == pytest.approx(0.6)
    assert shares["negative"]["low"] == pytest.approx(1 - shares["positive"]["high"])
    assert json.loads(json.dumps(shares)) == shares


@pytest.mark.parametrize(
    ("rates", "truth", "texts", "test_texts"),
    [
        (GOOD, (0.5, 0.2, 0.3), 300, 600),
        (GOOD, (0.1, 0.3, 0.6), 1000, 3000),
        (WEAK, (0.2, 0.6, 0.2), 600, 1200),
        (GOOD, (0.03, 0.17, 0.8), 300, 600),
    ],
    ids=["good-few", "good-many", "weak", "near-the-border"],
)
def test_the_interval_covers_the_truth_in_93_to_97_of_100_worlds(
    rates: Array, truth: tuple[float, ...], texts: int, test_texts: int
) -> None:
    covered = coverage(rates, truth, texts=texts, test_texts=test_texts)

    assert all(0.93 <= share <= 0.97 for share in covered), f"covered in {covered} of 500 worlds, by label"


def test_an_absent_label_is_covered_too_and_so_are_the_others() -> None:
    covered = coverage(GOOD, (0.0, 0.4, 0.6), texts=300, test_texts=600)

    # At the border only one side can miss.
    assert all(0.93 <= share <= 0.99 for share in covered), f"covered in {covered} of 500 worlds, by label"


def test_the_raw_share_lies_outside_the_corrected_interval() -> None:
    random, truth = np.random.default_rng(3), (0.05, 0.15, 0.8)
    shares = prevalence.estimate_prevalence(
        predicted_counts(GOOD, truth, 20_000, random),
        sample_confusion(GOOD, 3000, random),
        LABELS,
        bootstrap_settings(1),
    )

    assert shares is not None
    assert shares["neutral"]["low"] <= 0.15 <= shares["neutral"]["high"] < shares["neutral"]["raw"]


@given(st.lists(st.integers(0, 400), min_size=3, max_size=3).filter(any), st.integers(0, 2**32))
def test_shares_lie_in_0_to_1_and_sum_to_1_whatever_is_predicted(counts: list[int], seed: int) -> None:
    shares = prevalence.estimate_prevalence(
        counts,
        sample_confusion(GOOD, 600, np.random.default_rng(seed)),
        LABELS,
        bootstrap_settings(seed, resamples=100),
    )

    assert shares is not None
    assert sum(entry["share"] for entry in shares.values()) == pytest.approx(1)
    assert all(
        0 <= entry["low"] <= entry["share"] <= entry["high"] <= 1 and entry["low"] < entry["high"]
        for entry in shares.values()
    )
    assert all(
        entry["noise"] > 0 and entry["raw"] == count / sum(counts)
        for entry, count in zip(shares.values(), counts, strict=True)
    )


def test_the_likeliest_shares_are_found_where_solving_leaves_the_simplex() -> None:
    # All predictions are "neutral", more than even neutral texts alone would bring: only they can be there.
    shares = prevalence.estimate_prevalence(
        [0, 100, 0], [[80, 20, 0], [10, 80, 10], [0, 20, 80]], LABELS, bootstrap_settings(1)
    )

    assert shares is not None
    assert [round(entry["share"], 3) for entry in shares.values()] == [0, 1, 0]
    assert shares["negative"]["high"] > 0.02


def test_more_texts_reduce_the_noise_but_not_the_error_of_the_model() -> None:
    few, many = (
        prevalence.estimate_prevalence([n, n, n], GOOD_COUNTS, LABELS, bootstrap_settings(1))
        for n in (100, 10_000)
    )

    assert few is not None
    assert many is not None
    assert few["neutral"]["noise"] == pytest.approx(10 * many["neutral"]["noise"], rel=0.01)
    assert 0.02 < many["neutral"]["spread"] < few["neutral"]["spread"]


@pytest.mark.parametrize(
    ("confusion", "why"),
    [
        ([[0, 0, 0], [10, 80, 10], [0, 20, 80]], "no test text has the label negative, so"),
        ([[50, 50, 0], [50, 50, 0], [0, 20, 80]], "does not separate its labels"),
        ([[5, 4, 3], [4, 5, 3], [3, 4, 5]], "does not separate its labels"),
        ([[0, 0, 0]] * 3, "no test text has the label negative, neutral, positive, so"),
    ],
)
def test_a_confusion_without_correction_gives_the_raw_share_and_the_reason(
    confusion: list[list[int]], why: str
) -> None:
    shares = prevalence.estimate_prevalence([10, 20, 70], confusion, LABELS, bootstrap_settings(1))

    assert shares is not None
    assert [entry["share"] for entry in shares.values()] == [0.1, 0.2, 0.7]
    assert all(
        (entry["low"], entry["high"], entry["corrected"]) == (0, 1, False) and why in entry["why"]
        for entry in shares.values()
    )


def test_a_perfect_model_on_three_test_texts_gives_a_wide_interval() -> None:
    shares = prevalence.estimate_prevalence([10, 20, 70], np.eye(3), LABELS, bootstrap_settings(1))

    assert shares is not None
    assert all(entry["high"] - entry["low"] > 0.7 for entry in shares.values())


def test_an_empty_window_has_no_prevalence() -> None:
    assert prevalence.estimate_prevalence([0, 0, 0], GOOD_COUNTS, LABELS, bootstrap_settings(1)) is None


def test_equal_seeds_give_equal_intervals_and_others_do_not() -> None:
    first, again, other = (
        prevalence.estimate_prevalence([9, 30, 61], GOOD_COUNTS, LABELS, bootstrap_settings(seed))
        for seed in (1, 1, 2)
    )

    assert first == again != other
