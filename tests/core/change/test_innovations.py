"""Innovations: independent where the model holds, and widened where a series is wilder than it."""

import numpy as np
import pytest
from service_weeks import wandering

from pipeline.core.change.innovations import LARGEST, Dynamics, filter_series, fit_dynamics

HOURS = 1500
GAPS = np.ones(HOURS)
NOISE = np.full((HOURS, 1), 0.02)


def scores(values: np.ndarray, noise: np.ndarray = NOISE) -> np.ndarray:
    dynamics = fit_dynamics(values[:672], noise[:672], GAPS[:672])
    filtered = filter_series(values, noise, GAPS, dynamics)
    return (filtered.value / np.sqrt(filtered.variance))[672:, 0]


@pytest.mark.parametrize("rho", [0.5, 0.9, 0.97])
def test_innovations_of_an_autoregression_are_nearly_independent(rho: float) -> None:
    random = np.random.default_rng(4)
    values = wandering(HOURS, random, spread=0.03, rho=rho) + random.normal(size=HOURS) * 0.02
    z = scores(values[:, None])

    assert abs(np.corrcoef(z[1:], z[:-1])[0, 1]) < 0.2
    assert 0.7 < z.std() < 1.1


def test_heavy_tails_widen_the_scale() -> None:
    random = np.random.default_rng(5)
    values = np.stack([random.normal(size=672), random.standard_t(3, size=672)], axis=1) * 0.02
    scale = fit_dynamics(values, np.full((672, 2), 0.015), GAPS[:672]).scale

    assert scale[1] > 1.3 * scale[0]


def test_one_window_counts_at_most_so_much() -> None:
    dynamics = Dynamics(*(np.array([one]) for one in (0.9, 1e-4, 0.0, 1.0)))
    filtered = filter_series(np.array([[50.0]]), np.array([[0.01]]), np.ones(1), dynamics)

    assert filtered.value[0, 0] == pytest.approx(LARGEST * filtered.variance[0, 0] ** 0.5)


def test_a_gap_lets_the_level_return() -> None:
    dynamics = Dynamics(*(np.array([one]) for one in (0.9, 1e-2, 0.0, 1.0)))
    values = np.array([[0.2], [0.2]])
    near, far = (
        filter_series(values, np.full((2, 1), 0.01), np.array([1.0, gap]), dynamics).value[1, 0]
        for gap in (1.0, 100.0)
    )

    assert abs(near) < 0.05
    assert far == pytest.approx(0.2, abs=0.01)


def test_few_texts_are_allowed_more() -> None:
    dynamics = Dynamics(*(np.array([one]) for one in (0.0, 0.0, 1e-4, 1.0)))
    filtered = filter_series(np.zeros((2, 1)), np.array([[0.02], [0.2]]), np.ones(2), dynamics)

    assert filtered.variance[1, 0] > 50 * filtered.variance[0, 0]
