"""Cycles: the one that predicts other days best is learnt."""

import numpy as np
import pytest
from service_weeks import DAY, WEEK, start_of

from pipeline.core.change.cycles import fit_cycle, slot_of

STARTS = [start_of(hour) for hour in range(4 * WEEK)]
HOURS = np.arange(4 * WEEK)
DAILY = 0.1 * np.sin(2 * np.pi * HOURS / DAY)
WEEKEND = 0.05 * (HOURS % WEEK >= 5 * DAY)


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (0 * DAILY, "none"),
        (DAILY, "hour of day"),
        (DAILY + WEEKEND, "hour and weekday"),
        (DAILY * (HOURS % WEEK >= 5 * DAY), "hour of week"),
    ],
)
def test_the_cycle_that_is_there_is_learnt(shape: np.ndarray, name: str) -> None:
    values = shape + np.random.default_rng(1).normal(size=len(shape)) * 0.01

    cycle, residual = fit_cycle(STARTS, values)

    assert cycle.name == name
    assert residual.std() < 0.0125
    later = cycle.residual(STARTS[:DAY], shape[:DAY])
    assert np.abs(later).max() < 0.03


def test_a_few_days_have_no_weekly_cycle() -> None:
    cycle, _ = fit_cycle(STARTS[: 4 * DAY], (DAILY + WEEKEND)[: 4 * DAY])

    assert cycle.name == "hour of day"


def test_two_days_have_no_cycle() -> None:
    cycle, residual = fit_cycle(STARTS[: 2 * DAY], DAILY[: 2 * DAY])

    assert cycle.name == "none"
    # Each day is predicted from the other, and their means are equal.
    assert residual == pytest.approx(DAILY[: 2 * DAY])


def test_an_hour_that_was_not_seen_has_no_usual_value() -> None:
    night = HOURS[: 4 * DAY] % DAY < 6
    starts = [start for start, asleep in zip(STARTS, night, strict=False) if not asleep]
    cycle, _ = fit_cycle(starts, DAILY[: 4 * DAY][~night])

    assert np.isnan(cycle.residual([start_of(2)], np.zeros(1))[0])


def test_missing_windows_are_left_out() -> None:
    values = DAILY.copy()
    values[::7] = np.nan
    cycle, residual = fit_cycle(STARTS, values)

    assert np.isnan(residual[::7]).all()
    assert np.nanmax(np.abs(residual)) < 1e-9
    assert cycle.usual[slot_of(start_of(6), cycle.name)] == pytest.approx(0.1)


def test_a_series_without_values_has_no_cycle() -> None:
    cycle, residual = fit_cycle(STARTS[:30], np.full(30, np.nan))

    assert (cycle.usual, np.isnan(residual).all()) == ({}, True)
