"""Confidence intervals by resampling whole groups."""

import time

import numpy as np
import pytest

from pipeline.core.evaluate import bootstrap, metrics


def cfg(seed: int = 7, *, resamples: int = 500) -> bootstrap.BootstrapConfig:
    return bootstrap.BootstrapConfig(resamples, 0.95, seed)


def group_counts(texts: int, accuracy: float, seed: int = 1, *, texts_per_group: int = 1) -> metrics.Counts:
    random = np.random.default_rng(seed)
    groups = np.arange(texts) // texts_per_group
    # All texts of a group are correct or none, as the sentences of one review tend to be.
    correct = (random.random(texts) < accuracy)[groups]
    truth = random.integers(3, size=texts)
    return metrics.confusion_by_group(truth, np.where(correct, truth, (truth + 1) % 3), groups, labels=3)


def test_equal_seeds_give_equal_intervals() -> None:
    counts = group_counts(200, 0.8)
    assert bootstrap.metric_intervals(counts, cfg(7)) == bootstrap.metric_intervals(counts, cfg(7))
    assert bootstrap.metric_intervals(counts, cfg(7)) != bootstrap.metric_intervals(counts, cfg(8))


def test_a_resample_has_as_many_groups_as_the_data() -> None:
    drawn = np.concatenate(list(bootstrap.bootstrap_weights(50, resamples=30, seed=3)))
    assert drawn.shape == (30, 50)
    assert (drawn.sum(axis=1) == 50).all()


def test_weights_come_in_blocks_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "CELLS_AT_ONCE", 120)
    blocks = list(bootstrap.bootstrap_weights(50, resamples=7, seed=3))
    assert [len(block) for block in blocks] == [2, 2, 2, 1]


def test_counts_of_one_array_share_their_draws() -> None:
    counts = group_counts(60, 0.8)

    both = bootstrap.bootstrap_sums(np.stack([counts, 3 * counts], axis=1), resamples=20, seed=3)

    assert both.shape == (20, 2, 3, 3)
    assert (both[:, 1] == 3 * both[:, 0]).all()
    assert (both[:, 0] == bootstrap.bootstrap_sums(counts, resamples=20, seed=3)).all()


def test_the_interval_contains_the_metric_and_narrows_with_more_texts() -> None:
    few, many = (
        bootstrap.metric_intervals(group_counts(texts, 0.8), cfg())["accuracy"] for texts in (100, 6400)
    )

    assert few[0] < 0.8 < few[1]
    assert many[0] < 0.8 < many[1]
    # Eight times as wide with a sixty-fourth of the texts, within random variation.
    assert 5 < (few[1] - few[0]) / (many[1] - many[0]) < 12


def test_grouped_texts_give_wider_intervals_than_single_ones() -> None:
    single, grouped = (
        bootstrap.metric_intervals(group_counts(1600, 0.8, texts_per_group=size), cfg())["macro_f1"]
        for size in (1, 16)
    )
    assert grouped[1] - grouped[0] > 2.5 * (single[1] - single[0])


def test_the_interval_agrees_with_the_binomial_interval() -> None:
    counts = group_counts(1000, 0.7)
    accuracy = metrics.accuracy(counts.sum(axis=0))
    low, high = bootstrap.metric_intervals(counts, cfg(resamples=4000))["accuracy"]

    half = 1.96 * np.sqrt(accuracy * (1 - accuracy) / 1000)
    assert (low, high) == pytest.approx((accuracy - half, accuracy + half), abs=0.004)


def test_four_thousand_groups_take_less_than_a_second() -> None:
    counts = group_counts(4000, 0.8)
    start = time.perf_counter()
    bootstrap.metric_intervals(counts, cfg(resamples=1000))
    assert time.perf_counter() - start < 1
