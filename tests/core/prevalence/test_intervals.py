"""Intervals of shares, and shares that sum to 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.prevalence.intervals import interval, onto_simplex, standard_errors, t_quantile


def test_an_interval_is_that_of_wilson_for_a_plain_sample() -> None:
    share = np.array([0.8])
    low, high = interval(share, share * 0.2 / 10, freedom=1e9, labels=10, confidence=0.95)

    assert (low[0], high[0]) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


def test_quantiles_are_those_of_the_tables() -> None:
    assert standard_errors(0.95) == pytest.approx(1.95996, abs=1e-5)
    assert t_quantile(0.975, 2.0) == pytest.approx(4.3027, abs=1e-4)
    assert t_quantile(0.975, 99.0) == pytest.approx(1.9842, abs=1e-4)


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=20))
def test_shares_are_moved_to_the_nearest_ones_that_sum_to_1(values: list[float]) -> None:
    share = np.array(values)
    nearest = onto_simplex(share)

    assert nearest.min() >= 0
    assert nearest.sum() == pytest.approx(1)
    # No corner of the simplex is nearer.
    distance = float(((nearest - share) ** 2).sum())
    for corner in np.eye(len(share)):
        assert distance <= float(((corner - share) ** 2).sum()) + 1e-9
