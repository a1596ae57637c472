"""Intervals by resampling whole groups."""

import time

import numpy as np
import pytest

from pipeline.core.evaluate import bootstrap, metrics

ASKED = {"resamples": 500, "confidence": 0.95}


def answered(texts: int, right: float, seed: int = 1, *, texts_per_group: int = 1) -> metrics.Counts:
    random = np.random.default_rng(seed)
    groups = np.arange(texts) // texts_per_group
    # A group is right or wrong as a whole, as the sentences of one review tend to be.
    hit = (random.random(texts) < right)[groups]
    truth = random.integers(3, size=texts)
    return metrics.confusion_by_group(truth, np.where(hit, truth, (truth + 1) % 3), groups, labels=3)


def test_equal_seeds_give_equal_intervals_and_others_do_not() -> None:
    counts = answered(200, 0.8)
    assert bootstrap.metric_intervals(counts, **ASKED, seed=7) == bootstrap.metric_intervals(
        counts, **ASKED, seed=7
    )
    assert bootstrap.metric_intervals(counts, **ASKED, seed=7) != bootstrap.metric_intervals(
        counts, **ASKED, seed=8
    )


def test_every_resample_draws_as_many_groups_as_there_are() -> None:
    drawn = np.concatenate(list(bootstrap.bootstrap_weights(50, resamples=30, seed=3)))
    assert drawn.shape == (30, 50)
    assert (drawn.sum(axis=1) == 50).all()


def test_blocks_hold_together_what_is_too_much_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "CELLS_AT_ONCE", 120)
    blocks = list(bootstrap.bootstrap_weights(50, resamples=7, seed=3))
    assert [len(block) for block in blocks] == [2, 2, 2, 1]


def test_what_stands_in_one_array_is_drawn_together() -> None:
    counts = answered(60, 0.8)

    both = bootstrap.bootstrap_sums(np.stack([counts, 3 * counts], axis=1), resamples=20, seed=3)

    assert both.shape == (20, 2, 3, 3)
    assert (both[:, 1] == 3 * both[:, 0]).all()
    assert (both[:, 0] == bootstrap.bootstrap_sums(counts, resamples=20, seed=3)).all()


def test_the_interval_lies_around_the_figure_and_narrows_with_more_texts() -> None:
    few, many = (
        bootstrap.metric_intervals(answered(texts, 0.8), **ASKED, seed=7)["accuracy"] for texts in (100, 6400)
    )

    assert few[0] < 0.8 < few[1]
    assert many[0] < 0.8 < many[1]
    # Eight times as wide at a sixty-fourth of the texts, give or take chance.
    assert 5 < (few[1] - few[0]) / (many[1] - many[0]) < 12


def test_texts_of_one_group_count_for_less_than_as_many_single_ones() -> None:
    single, grouped = (
        bootstrap.metric_intervals(answered(1600, 0.8, texts_per_group=size), **ASKED, seed=7)["macro_f1"]
        for size in (1, 16)
    )
    assert grouped[1] - grouped[0] > 2.5 * (single[1] - single[0])


def test_the_interval_agrees_with_the_binomial_one() -> None:
    counts = answered(1000, 0.7)
    found = metrics.accuracy(counts.sum(axis=0))
    low, high = bootstrap.metric_intervals(counts, resamples=4000, confidence=0.95, seed=7)["accuracy"]

    half = 1.96 * np.sqrt(found * (1 - found) / 1000)
    assert (low, high) == pytest.approx((found - half, found + half), abs=0.004)


def test_four_thousand_groups_take_less_than_a_second() -> None:
    counts = answered(4000, 0.8)
    start = time.perf_counter()
    bootstrap.metric_intervals(counts, resamples=1000, confidence=0.95, seed=7)
    assert time.perf_counter() - start < 1
