"""Stated probability against the share that was right, and the temperature that brings them together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.evaluate.calibration import FURTHEST, fit_temperature, measure_calibration


def measured(truth: list[int], guess: list[int], probabilities: object, bins: int = 15) -> dict[str, object]:
    return measure_calibration(truth, guess, probabilities, bins=bins, temperature=1.0)  # type: ignore[arg-type]


def two_labels(sure: list[float], right: list[bool]) -> tuple[list[int], list[int], np.ndarray]:
    table = np.array([[confidence, 1 - confidence] for confidence in sure])
    return [int(not hit) for hit in right], [0] * len(sure), table


def test_four_texts_in_two_bins_worked_by_hand() -> None:
    probabilities = [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.4, 0.6]]

    found = measure_calibration([0, 1, 0, 1], [0, 0, 0, 1], probabilities, bins=4, temperature=1.3)

    assert found["bins"] == [
        {"low": 0.5, "high": 0.75, "confidence": pytest.approx(0.6), "accuracy": 1.0, "texts": 2},
        {"low": 0.75, "high": 1.0, "confidence": pytest.approx(0.85), "accuracy": 0.5, "texts": 2},
    ]
    assert found["ece"] == pytest.approx((0.4 + 0.35) / 2)
    # 0.1²+0.1², 0.8²+0.8², 0.4²+0.4², 0.4²+0.4²
    assert found["brier"] == pytest.approx((0.02 + 1.28 + 0.32 + 0.32) / 4)
    assert found["temperature"] == 1.3


def test_bins_of_equally_many_texts_see_what_bins_of_equal_width_blur() -> None:
    # All four confidences lie in one bin of equal width, where too sure and too unsure cancel out.
    found = measured(*two_labels([0.90, 0.91, 0.97, 0.98], [True, True, True, False]), bins=2)

    assert found["ece"] == pytest.approx(abs(0.94 - 0.75))
    assert found["adaptive_ece"] == pytest.approx((abs(0.905 - 1) + abs(0.975 - 0.5)) / 2)


def test_equal_confidences_share_a_bin_in_whatever_order_the_texts_come() -> None:
    found = measured(*two_labels([0.8] * 5, [True, True, False, True, True]), bins=5)
    assert found["adaptive_ece"] == pytest.approx(0.0)


def test_certainty_belongs_to_the_last_bin() -> None:
    found = measured([0, 1], [0, 1], [[1.0, 0.0], [0.0, 1.0]])
    assert found["bins"] == [{"low": 14 / 15, "high": 1.0, "confidence": 1.0, "accuracy": 1.0, "texts": 2}]
    assert (found["ece"], found["adaptive_ece"], found["brier"]) == (0.0, 0.0, 0.0)


def test_a_model_that_means_what_it_says_has_a_small_error() -> None:
    random = np.random.default_rng(5)
    sure = random.uniform(0.5, 1, 20_000)
    found = measured(*two_labels(sure.tolist(), (random.random(20_000) < sure).tolist()))
    assert found["ece"] < 0.015
    assert found["adaptive_ece"] < 0.015


@given(st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=50), st.integers(1, 20))
def test_every_text_stands_in_one_bin_and_the_errors_are_shares(
    answers: list[tuple[float, bool]], bins: int
) -> None:
    found = measured(*two_labels([sure for sure, _ in answers], [right for _, right in answers]), bins=bins)

    assert sum(entry["texts"] for entry in found["bins"]) == len(answers)
    assert 0 <= found["ece"] <= 1
    assert 0 <= found["adaptive_ece"] <= 1
    assert 0 <= found["brier"] <= 2


def test_the_temperature_that_made_the_logits_too_sure_is_found_again() -> None:
    random = np.random.default_rng(5)
    honest = random.normal(size=(20_000, 3))
    shares = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    truth = (random.random((20_000, 1)) > shares.cumsum(axis=1)).sum(axis=1).tolist()

    assert fit_temperature(honest, truth) == pytest.approx(1.0, abs=0.05)
    assert fit_temperature(2.5 * honest, truth) == pytest.approx(2.5, abs=0.1)
    assert fit_temperature(0.5 * honest, truth) == pytest.approx(0.5, abs=0.03)


def test_four_texts_have_a_temperature_that_can_be_worked_by_hand() -> None:
    # Three of four texts right, the same distance x between two logits: likeliest is 1/(1+exp(-x/T)) = 3/4, so T = x / ln 3.
    assert fit_temperature([[2.0, 0.0]] * 4, [0, 0, 0, 1]) == pytest.approx(2.0 / np.log(3), rel=1e-3)


@pytest.mark.parametrize(
    ("logits", "truth", "why"),
    [
        ([[4.0, 0.0], [0.0, 3.0]], [0, 1], "all right: ever surer would be ever likelier"),
        ([[4.0, 0.0], [0.0, 3.0]], [1, 0], "all wrong: ever less sure would be ever likelier"),
        ([[2.0, 1.0, 0.0]], [0], "one text, right"),
        ([[2.0, 1.0, 0.0]], [2], "one text, wrong"),
        ([[1.0, 1.0], [1.0, 1.0]], [0, 1], "logits that know nothing"),
        (np.zeros((0, 3)), [], "no text"),
    ],
)
def test_where_no_temperature_is_best_the_logits_stay_as_they_are(
    logits: object, truth: list[int], why: str
) -> None:
    assert fit_temperature(logits, truth) == 1.0, why  # type: ignore[arg-type]


ROWS = st.lists(st.tuples(*[st.floats(-50, 50)] * 3, st.integers(0, 2)), min_size=1, max_size=12)


@settings(deadline=None)  # the first example pays for importing scipy
@given(ROWS)
def test_the_temperature_is_bounded_and_never_makes_the_truth_less_likely(
    rows: list[tuple[float, float, float, int]],
) -> None:
    logits, truth = np.array([row[:3] for row in rows]), [row[3] for row in rows]

    def surprise(temperature: float) -> float:
        scaled = logits / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]).mean())

    found = fit_temperature(logits, truth)

    assert 1 / FURTHEST <= found <= FURTHEST
    assert surprise(found) <= surprise(1.0) + 1e-6
