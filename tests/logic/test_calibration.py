"""Stated probability against the share that was right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluate.calibration import calibration


def test_four_texts_in_two_bins_worked_by_hand() -> None:
    probabilities = [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.4, 0.6]]

    found = calibration([0, 1, 0, 1], [0, 0, 0, 1], probabilities, bins=4)

    assert found["bins"] == [
        {"low": 0.5, "high": 0.75, "confidence": pytest.approx(0.6), "accuracy": 1.0, "texts": 2},
        {"low": 0.75, "high": 1.0, "confidence": pytest.approx(0.85), "accuracy": 0.5, "texts": 2},
    ]
    assert found["ece"] == pytest.approx((0.4 + 0.35) / 2)


def test_certainty_belongs_to_the_last_bin() -> None:
    found = calibration([0, 1], [0, 1], [[1.0, 0.0], [0.0, 1.0]], bins=15)
    assert found == {"ece": 0.0, "bins": [{"low": 14 / 15, "high": 1.0, "confidence": 1.0, "accuracy": 1.0, "texts": 2}]}


def test_a_model_that_means_what_it_says_has_a_small_error() -> None:
    random = np.random.default_rng(5)
    sure = random.uniform(0.5, 1, 20_000)
    truth = np.where(random.random(20_000) < sure, 0, 1).tolist()
    assert calibration(truth, [0] * 20_000, np.stack([sure, 1 - sure], axis=1), bins=15)["ece"] < 0.015


@given(st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=50), st.integers(1, 20))
def test_every_text_stands_in_one_bin_and_the_error_is_a_share(answers: list[tuple[float, bool]], bins: int) -> None:
    sure = np.array([confidence for confidence, _ in answers])
    found = calibration([int(not right) for _, right in answers], [0] * len(answers), np.stack([sure, 1 - sure], axis=1), bins=bins)

    assert sum(entry["texts"] for entry in found["bins"]) == len(answers)
    assert 0 <= found["ece"] <= 1
