"""Ranges as Ray Tune draws from them."""

import pytest

from pipeline.base.config import Choices, NumberRange
from pipeline.core.search.ray_tuner import domain


def draws(searched, *, whole=False):
    drawn = domain(searched, whole=whole)
    return [drawn.sample() for _ in range(300)]


@pytest.mark.parametrize("log", [True, False])
def test_numbers_lie_between_both_ends(log):
    found = draws(NumberRange(low=1e-4, high=1e-2, log=log))

    assert all(1e-4 <= number <= 1e-2 for number in found)
    # Half of the draws lie below the middle of the scale: 1e-3 of a logarithmic one.
    assert (sum(number < 1e-3 for number in found) > 100) == log


@pytest.mark.parametrize("log", [True, False])
def test_of_whole_numbers_both_ends_are_drawn(log):
    found = draws(NumberRange(low=1, high=3, log=log), whole=True)

    assert set(found) == {1, 2, 3}
    assert all(isinstance(number, int) for number in found)


def test_each_choice_is_drawn():
    assert set(draws(Choices(choices=("labels", "ratings")))) == {"labels", "ratings"}
