"""Ranges as Ray Tune draws from them."""

import pytest

from pipeline.base.config import Choices, NumberRange
from pipeline.core.search.ray_tuner import domain


def draws(searched, present):
    drawn = domain(searched, present)
    return [drawn.sample() for _ in range(300)]


@pytest.mark.parametrize("log", [True, False])
def test_numbers_lie_between_both_ends(log):
    found = draws(NumberRange(low=1e-4, high=1e-2, log=log), 1e-3)

    assert all(1e-4 <= number <= 1e-2 for number in found)
    # Half of the draws lie below the middle of the scale: 1e-3 of a logarithmic one.
    assert (sum(number < 1e-3 for number in found) > 100) == log


@pytest.mark.parametrize("log", [True, False])
def test_where_the_key_holds_a_whole_number_both_ends_are_drawn(log):
    found = draws(NumberRange(low=1, high=3, log=log), 2)

    assert {type(number) for number in found} <= {int} or all(int(number) == number for number in found)
    assert {int(number) for number in found} == {1, 2, 3}


def test_each_choice_is_drawn():
    assert set(draws(Choices(choices=("labels", "ratings")), "labels")) == {"labels", "ratings"}
