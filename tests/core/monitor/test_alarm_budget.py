"""What the watch may spend of its budget of false alarms on the quality of champions."""

import numpy as np
import pytest

from pipeline.core.monitor.alarm_budget import SHARES, quality_threshold, share_of
from pipeline.core.monitor.e_process import evidence


def test_the_shares_are_the_whole_budget() -> None:
    assert sum(SHARES.values()) == 1


@pytest.mark.parametrize(
    ("champions", "budget", "needed"), [(0, 1.0, 20), (1, 0.25, 20), (13, 0.25, 52), (90, 0.25, 360)]
)
def test_each_champion_of_a_quarter_gets_its_part(champions: int, budget: float, needed: float) -> None:
    assert quality_threshold(budget, champions=champions, confidence=0.95) == pytest.approx(needed)


def test_thirteen_honest_champions_stay_within_the_budget_of_a_quarter() -> None:
    random, budget = np.random.default_rng(41), share_of(1.0, "quality")
    needed = quality_threshold(budget, champions=13, confidence=0.95)
    expected, quarters = 0.74, 60

    alarms = sum(
        evidence(expected - (random.random(400) < expected), np.ones(400)) >= needed
        for _ in range(13 * quarters)
    )

    # The promise is at most 0.25 a quarter, 15 here; a Poisson of 15 passes 24 once in a hundred.
    assert alarms <= 24
