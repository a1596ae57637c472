"""What chance alone could have done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.evaluate.significance import holm, mcnemar, minimum_detectable, smallest_p


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


def test_holm_worked_by_hand() -> None:
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 (raised to what stands before it), 0.5 x 1.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])


def test_holm_of_none_is_none_and_of_one_is_itself() -> None:
    assert holm([]) == []
    assert holm([0.04]) == [0.04]


P_VALUES = st.lists(st.floats(0.0005, 1), max_size=12)


@given(P_VALUES, st.randoms())
def test_holm_asks_for_no_less_than_one_and_no_more_than_bonferroni_in_any_order(
    p_values: list[float], random: object
) -> None:
    adjusted = holm(p_values)
    assert all(p <= new <= min(1.0, len(p_values) * p) for p, new in zip(p_values, adjusted, strict=True))

    order = list(range(len(p_values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert holm([p_values[place] for place in order]) == [adjusted[place] for place in order]


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
