"""Confidence against accuracy, and the temperature that aligns them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from pipeline.base.documents import CalibrationError, CalibrationReport
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.evaluate.calibration import (
    MAX_FACTOR,
    debiased_error,
    fit_temperature,
    measure_calibration,
)


def calibration(
    truth: list[int], predicted: list[int], probabilities: ArrayLike, bins: int = 15
) -> CalibrationReport:
    return measure_calibration(truth, predicted, probabilities, bins=bins, temperature=1.0)


def two_labels(confidences: list[float], correct: list[bool]) -> tuple[list[int], list[int], np.ndarray]:
    table = np.array([[confidence, 1 - confidence] for confidence in confidences])
    return [int(not hit) for hit in correct], [0] * len(confidences), table


def test_four_texts_in_two_bins_worked_by_hand() -> None:
    probabilities = [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.4, 0.6]]

    report = measure_calibration([0, 1, 0, 1], [0, 0, 0, 1], probabilities, bins=4, temperature=1.3)

    assert report["bins"] == [
        {"low": 0.5, "high": 0.75, "confidence": pytest.approx(0.6), "accuracy": 1.0, "texts": 2},
        {"low": 0.75, "high": 1.0, "confidence": pytest.approx(0.85), "accuracy": 0.5, "texts": 2},
    ]
    assert report["ece"] == pytest.approx((0.4 + 0.35) / 2)
    # 0.1²+0.1², 0.8²+0.8², 0.4²+0.4², 0.4²+0.4²
    assert report["brier"] == pytest.approx((0.02 + 1.28 + 0.32 + 0.32) / 4)
    assert report["temperature"] == 1.3


def test_adaptive_bins_find_an_error_that_equal_widths_hide() -> None:
    # All four confidences lie in one bin of equal width, where over- and underconfidence cancel out.
    report = calibration(*two_labels([0.90, 0.91, 0.97, 0.98], [True, True, True, False]), bins=2)

    assert report["ece"] == pytest.approx(abs(0.94 - 0.75))
    assert report["adaptive_ece"] == pytest.approx((abs(0.905 - 1) + abs(0.975 - 0.5)) / 2)


def test_equal_confidences_share_a_bin() -> None:
    report = calibration(*two_labels([0.8] * 5, [True, True, False, True, True]), bins=5)
    assert report["adaptive_ece"] == pytest.approx(0.0)


def test_a_confidence_of_one_belongs_to_the_last_bin() -> None:
    report = calibration([0, 1], [0, 1], [[1.0, 0.0], [0.0, 1.0]])
    assert report["bins"] == [{"low": 14 / 15, "high": 1.0, "confidence": 1.0, "accuracy": 1.0, "texts": 2}]
    assert (report["ece"], report["adaptive_ece"], report["brier"]) == (0.0, 0.0, 0.0)


def test_a_calibrated_model_has_a_small_error() -> None:
    random = np.random.default_rng(5)
    confidence = random.uniform(0.5, 1, 20_000)
    correct = random.random(20_000) < confidence
    report = calibration(*two_labels(confidence.tolist(), correct.tolist()))
    assert report["ece"] < 0.015
    assert report["adaptive_ece"] < 0.015


def debiased(texts: int, seed: int, *, gap: float) -> CalibrationError:
    """Measure a model whose accuracy is its confidence less `gap`."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.5, 1, texts)
    correct = random.random(texts) < confidence - gap
    sampling = BootstrapConfig(resamples=200, confidence=0.95, seed=seed)
    groups = [str(row) for row in range(texts)]
    return debiased_error(confidence, correct, groups, bins=15, sampling=sampling)


def test_the_debiased_error_of_a_calibrated_model_is_no_noise() -> None:
    # The expected calibration error of the same 500 texts is 0.06 on average.
    squares = [debiased(500, seed, gap=0.0)["error"] ** 2 for seed in range(60)]
    assert np.median(squares) < 0.015**2


@pytest.mark.parametrize(("texts", "gap"), [(500, 0.0), (2000, 0.0), (500, 0.1), (2000, 0.1), (2000, 0.05)])
def test_the_interval_of_the_debiased_error_holds_the_true_one(texts: int, gap: float) -> None:
    intervals = [debiased(texts, seed, gap=gap) for seed in range(80)]
    covered = np.mean([entry["low"] <= gap <= entry["high"] for entry in intervals])
    assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 80)
    assert all(entry["low"] <= entry["error"] <= entry["high"] for entry in intervals)


def test_one_text_has_a_calibration_error_too() -> None:
    error = debiased(1, 5, gap=0.0)
    assert 0 <= error["low"] <= error["error"] <= error["high"] <= 1
    assert error["texts"] == 1


@given(st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=50), st.integers(1, 20))
def test_every_text_is_in_one_bin_and_errors_are_bounded(
    predictions: list[tuple[float, bool]], bins: int
) -> None:
    confidences, correct = map(list, zip(*predictions, strict=True))
    report = calibration(*two_labels(confidences, correct), bins=bins)

    assert sum(entry["texts"] for entry in report["bins"]) == len(predictions)
    assert 0 <= report["ece"] <= 1
    assert 0 <= report["adaptive_ece"] <= 1
    assert 0 <= report["brier"] <= 2


def test_the_temperature_of_scaled_logits_is_recovered() -> None:
    random = np.random.default_rng(5)
    calibrated = random.normal(size=(20_000, 3))
    shares = np.exp(calibrated) / np.exp(calibrated).sum(axis=1, keepdims=True)
    truth = (random.random((20_000, 1)) > shares.cumsum(axis=1)).sum(axis=1).tolist()

    assert fit_temperature(calibrated, truth) == pytest.approx(1.0, abs=0.05)
    assert fit_temperature(2.5 * calibrated, truth) == pytest.approx(2.5, abs=0.1)
    assert fit_temperature(0.5 * calibrated, truth) == pytest.approx(0.5, abs=0.03)


def test_temperature_of_four_texts_worked_by_hand() -> None:
    # Three of four texts are correct at one distance x of the logits: 1/(1+exp(-x/T)) = 3/4, so T = x / ln 3.
    assert fit_temperature([[2.0, 0.0]] * 4, [0, 0, 0, 1]) == pytest.approx(2.0 / np.log(3), rel=1e-3)


@pytest.mark.parametrize(
    ("logits", "truth", "why"),
    [
        ([[4.0, 0.0], [0.0, 3.0]], [0, 1], "all correct: likelihood rises with confidence"),
        ([[4.0, 0.0], [0.0, 3.0]], [1, 0], "all wrong: likelihood falls with confidence"),
        ([[2.0, 1.0, 0.0]], [0], "one text, correct"),
        ([[2.0, 1.0, 0.0]], [2], "one text, wrong"),
        ([[1.0, 1.0], [1.0, 1.0]], [0, 1], "logits without information"),
        (np.zeros((0, 3)), [], "no text"),
    ],
)
def test_without_a_best_temperature_it_is_one(logits: ArrayLike, truth: list[int], why: str) -> None:
    assert fit_temperature(logits, truth) == 1.0, why


ROWS = st.lists(st.tuples(*[st.floats(-50, 50)] * 3, st.integers(0, 2)), min_size=1, max_size=12)


@settings(deadline=None)  # the first example pays for importing scipy
@given(ROWS)
def test_temperature_is_bounded_and_never_lowers_the_likelihood(
    rows: list[tuple[float, float, float, int]],
) -> None:
    logits, truth = np.array([row[:3] for row in rows]), [row[3] for row in rows]

    def negative_log_likelihood(divisor: float) -> float:
        scaled = logits / divisor
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]).mean())

    temperature = fit_temperature(logits, truth)

    assert 1 / MAX_FACTOR <= temperature <= MAX_FACTOR
    assert negative_log_likelihood(temperature) <= negative_log_likelihood(1.0) + 1e-6
