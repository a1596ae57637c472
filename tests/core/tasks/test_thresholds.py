"""Thresholds and temperature of independent labels."""

import numpy as np
import pytest

from pipeline.core.model.decoding import sigmoid
from pipeline.core.tasks.thresholds import best_thresholds, fit_set_temperature


def f1(truth, predicted):
    return 2 * (truth & predicted).sum() / (truth.sum() + predicted.sum())


def test_no_other_threshold_has_a_higher_f1() -> None:
    draw = np.random.default_rng(4)
    truth = draw.random((300, 4)) < [0.02, 0.1, 0.4, 0.7]
    probabilities = np.clip(0.35 * truth + draw.random((300, 4)) * 0.6, 0, 1)

    thresholds = best_thresholds(probabilities, truth.astype(np.int64))

    for column, threshold in enumerate(thresholds):
        true, probable = truth[:, column], probabilities[:, column]
        best = max(f1(true, probable >= other) for other in np.linspace(0.001, 0.999, 400))
        assert f1(true, probable >= threshold) >= best - 1e-12


def test_one_half_stays_where_it_separates_perfectly() -> None:
    truth = np.array([[1], [0], [1], [0]])

    assert best_thresholds(np.array([[0.9], [0.2], [0.7], [0.4]]), truth) == [0.5]


def test_a_label_that_no_text_has_keeps_one_half() -> None:
    assert best_thresholds(np.array([[0.9], [0.2]]), np.zeros((2, 1), dtype=np.int64)) == [0.5]


def test_equal_probabilities_stay_together() -> None:
    truth = np.array([[1], [0], [0]])

    (threshold,) = best_thresholds(np.array([[0.3], [0.3], [0.1]]), truth)

    assert 0.1 < threshold <= 0.3


def test_the_temperature_of_sharpened_logits_is_found() -> None:
    draw = np.random.default_rng(8)
    logits = draw.normal(size=(4000, 3))
    truth = (draw.random((4000, 3)) < sigmoid(logits)).astype(np.int64)

    assert fit_set_temperature(3.0 * logits, truth) == pytest.approx(3.0, rel=0.1)


def test_logits_that_are_all_right_keep_their_temperature() -> None:
    assert fit_set_temperature(np.array([[2.0, -1.0]]), np.array([[1, 0]])) == 1.0
