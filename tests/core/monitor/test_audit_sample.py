"""How many texts are drawn and how many labels are needed: numbers worked out by hand, and simulations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.monitor.audit_sample import agreement, hourly_size, labels_needed, whole_size

NOTHING = np.empty((0, 3)), np.empty(0), None


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=24),
    st.floats(0.1, 1000),
)
def test_an_hour_never_draws_more_than_a_day_may_nor_than_it_has(texts: list[int], per_day: float) -> None:
    size = hourly_size(texts[-1], per_day=per_day, day=sum(texts), hours=len(texts))

    assert 0 <= size <= min(texts[-1], per_day + 1e-6)


def test_equal_hours_draw_a_twenty_fourth_each_and_a_busy_hour_its_share() -> None:
    assert hourly_size(100, per_day=24, day=2400, hours=24) == pytest.approx(1)
    assert hourly_size(1200, per_day=24, day=2400, hours=24) == pytest.approx(12)
    assert hourly_size(100, per_day=24, day=100, hours=1) == pytest.approx(1)
    assert hourly_size(3, per_day=100, day=20, hours=24) == 3


@given(st.floats(0, 1000), st.floats(0, 1, exclude_max=True))
def test_rounding_goes_to_a_neighbour(expectation: float, chance: float) -> None:
    assert abs(whole_size(expectation, chance) - expectation) <= 1


def test_rounding_keeps_the_expectation() -> None:
    chances = np.linspace(0, 1, 1000, endpoint=False)

    assert np.mean([whole_size(2.3, chance) for chance in chances]) == pytest.approx(2.3)


def test_a_model_that_knows_nothing_needs_a_simple_random_sample() -> None:
    half = np.full((200, 2), 0.5)

    assert labels_needed(*NOTHING, width=0.03, confidence=0.95) == 1068
    assert labels_needed(half, np.ones(200), None, width=0.03, confidence=0.95) == 1068


def test_a_model_that_is_sure_nine_times_of_ten_needs_few_labels() -> None:
    # p(1-p) = 0.09 for the two labels: 0.09 x (1.96 / 0.03)^2 = 384.1.
    rows = np.array([[0.9, 0.1], [0.1, 0.9]] * 50)

    assert labels_needed(rows, np.ones(100), None, width=0.03, confidence=0.95) == 385


def test_errors_seen_count_more_than_what_the_model_says_of_itself() -> None:
    sure = np.tile([0.99, 0.01], (400, 1))
    truth = np.array([[1.0, 0.0], [0.0, 1.0]] * 200)

    assert labels_needed(sure, np.ones(400), None, width=0.03, confidence=0.95) < 50
    assert labels_needed(sure, np.ones(400), truth, width=0.03, confidence=0.95) == 1068


def test_the_labels_that_are_needed_reach_the_width() -> None:
    """A calibrated model of accuracy 0.80, 400 worlds: the interval covers and is as narrow as promised."""
    random = np.random.default_rng(20)
    rows = random.dirichlet([0.25, 0.25, 0.25], 20_000)
    needed = labels_needed(rows, np.ones(len(rows)), None, width=0.03, confidence=0.95)
    truth = np.array([random.choice(3, p=row) for row in rows])
    shares = np.bincount(truth, minlength=3) / len(rows)
    misses = 0
    for _ in range(400):
        drawn = random.choice(len(rows), needed, replace=False)
        errors = np.eye(3)[truth[drawn]] - rows[drawn]
        misses += abs((rows.mean(axis=0) + errors.mean(axis=0) - shares)[0]) > 0.03

    assert rows.max(axis=1).mean() == pytest.approx(0.80, abs=0.02)
    assert needed <= 520
    # 5 % of 400 is 20; a fair one exceeds 33 once in a thousand.
    assert misses <= 33


def test_agreement_beyond_chance_by_hand() -> None:
    pairs = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    found = agreement(pairs, confidence=0.95)

    assert found is not None
    # Cohen's example: 0.70 seen, 0.50 by chance.
    assert (found["texts"], found["share"], found["kappa"]) == (50, 0.70, pytest.approx(0.40))
    assert (found["low"], found["high"]) == (pytest.approx(0.562, abs=1e-3), pytest.approx(0.809, abs=1e-3))


def test_agreement_is_not_known_without_pairs_and_kappa_not_with_one_label() -> None:
    same = agreement([("a", "a")] * 5, confidence=0.95)

    assert agreement([], confidence=0.95) is None
    assert same is not None
    assert (same["share"], same["kappa"]) == (1.0, None)
    assert same["low"] < 0.6
