"""What chance alone could have done."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.evaluate.significance import (
    lower_bound,
    max_t,
    mcnemar,
    minimum_detectable,
    share_interval,
    smallest_p,
)


@pytest.mark.parametrize(
    ("mine", "theirs", "p"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (5, 0, 2 / 32),  # five of five heads, or five tails
        (8, 2, 2 * (1 + 10 + 45) / 1024),
        (2, 8, 2 * (1 + 10 + 45) / 1024),
    ],
)
def test_mcnemar_counts_the_coins_that_fall_as_far_to_one_side(mine: int, theirs: int, p: float) -> None:
    assert mcnemar(mine, theirs) == pytest.approx(p)


def test_max_t_of_three_statistics_worked_by_hand() -> None:
    # One of four minima of all three is at most -2, two of the last two at most -1, two of the last 0.05.
    resampled = np.array([[-2.5, 0.0, 0.0], [0.0, -1.2, 0.5], [0.0, 0.0, -1.1], [0.3, 0.2, 0.1]])
    assert max_t([-2.0, -1.0, 0.05], resampled) == pytest.approx([2 / 5, 3 / 5, 3 / 5])


STATISTICS = st.lists(st.floats(-4, 4), min_size=1, max_size=8, unique=True)


@given(STATISTICS, st.randoms())
def test_max_t_asks_for_no_less_than_one_test_and_no_more_than_bonferroni_in_any_order(
    statistics: list[float], random: object
) -> None:
    resampled = np.random.default_rng(5).normal(size=(199, len(statistics)))
    adjusted = max_t(statistics, resampled)
    single = (1 + (resampled <= np.array(statistics)).sum(axis=0)) / 200
    together = [(len(statistics) + (resampled <= value).sum()) / 200 for value in statistics]
    assert all(p <= new <= most for p, new, most in zip(single, adjusted, together, strict=True))

    order = list(range(len(statistics)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = max_t([statistics[place] for place in order], resampled[:, order])
    assert shuffled == [adjusted[place] for place in order]


def test_max_t_charges_equal_tests_once() -> None:
    null = np.random.default_rng(5).normal(size=(999, 1))
    (single,) = max_t([-2.0], null)
    assert max_t([-2.0] * 30, np.repeat(null, 30, axis=1)) == [single] * 30


def test_a_lower_bound_worked_by_hand() -> None:
    # Student's t with 10 degrees of freedom: 1.812 at 5 %, 2.764 at 1 %.
    assert lower_bound(0.05, 0.01, groups=11, level=0.05) == pytest.approx(0.05 - 0.01812, abs=1e-5)
    assert lower_bound(0.05, 0.01, groups=11, level=0.01) == pytest.approx(0.05 - 0.02764, abs=1e-5)


def test_a_lower_bound_claims_nothing_without_a_level_or_with_few_differing_groups() -> None:
    assert lower_bound(0.9, 0.001, groups=500, level=0.0) == -math.inf
    assert lower_bound(0.9, 0.001, groups=4, level=0.05) == 0.0
    assert lower_bound(0.0, 0.0, groups=0, level=0.05) == 0.0


@pytest.mark.parametrize("chance", [0.001, 0.02])
def test_a_lower_bound_of_a_mean_fails_as_often_as_its_level(chance: float) -> None:
    means = np.random.default_rng(6).normal(size=(40_000, 30))
    estimates, errors = means.mean(axis=1), means.std(axis=1, ddof=1) / np.sqrt(30)
    bounds = [lower_bound(*row, groups=30, level=chance) for row in zip(estimates, errors, strict=True)]
    failed = float(np.mean(np.array(bounds) > 0))
    assert failed < chance + 3 * math.sqrt(chance / 40_000)


def test_the_interval_of_a_share_is_exact() -> None:
    # Clopper and Pearson (1934), in any table: 0 and 10 of 10, 5 of 10.
    assert share_interval(0, 10, confidence=0.95) == (0.0, pytest.approx(0.3085, abs=1e-4))
    assert share_interval(10, 10, confidence=0.95) == (pytest.approx(0.6915, abs=1e-4), 1.0)
    assert share_interval(5, 10, confidence=0.95) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert share_interval(0, 0, confidence=0.95) == (0.0, 1.0)


def test_a_difference_shows_at_2_8_spreads_with_80_percent_power() -> None:
    assert minimum_detectable(0.01, 5000, alpha=0.025, power=0.8) == pytest.approx(
        0.01 * (1.960 + 0.842), abs=1e-5
    )


def test_for_equal_predictions_the_minimum_detectable_difference_is_positive() -> None:
    # 2.8 squared: with fewer than eight texts fixed and none broken, the test lacks that power.
    assert minimum_detectable(0.0, 1000, alpha=0.025, power=0.8) == pytest.approx(7.85 / 1000, abs=1e-5)


def test_so_many_differing_groups_allow_so_small_a_p() -> None:
    assert [smallest_p(groups) for groups in (0, 1, 5)] == [1.0, 0.5, 1 / 32]
    assert 0 < smallest_p(100_000) < 1e-300
