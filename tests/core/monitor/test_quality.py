"""Quality by ground truth and by confidence, and regressions against the previous release."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.config import QualityConfig
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.evaluate.metrics import confusion, macro_f1
from pipeline.core.monitor import quality

LABELS = ("negative", "neutral", "positive")
BOOTSTRAP = BootstrapConfig(resamples=400, confidence=0.95, seed=7)
CFG = QualityConfig(min_labels=100, rollback_hours=72.0, rollback_margin=0.03)
# The truth is always `yes`. Predictions of champion and previous release: lost, won, both right, both wrong.
CELLS = (("no", "yes"), ("yes", "no"), ("yes", "yes"), ("no", "no"))


def verdict(champion: list[str], previous: list[str], cfg: QualityConfig = CFG) -> quality.RegressionVerdict:
    return quality.detect_regression(
        ["yes"] * len(champion), champion, previous, cfg, confidence=0.95, champion="r7", previous="r6"
    )


def rollback_rate(lost: float, won: float, looks: range, *, times: int, seed: int) -> float:
    """Return how often the champion is rolled back at any look; both are right on 70 % of the other texts."""
    random = np.random.default_rng(seed)
    both = (1 - lost - won) * 0.7
    rollbacks = 0
    for _ in range(times):
        cells = random.choice(4, size=looks[-1], p=[lost, won, both, 1 - lost - won - both])
        champion, previous = ([CELLS[cell][side] for cell in cells] for side in (0, 1))
        rollbacks += any(verdict(champion[:labels], previous[:labels]).degraded for labels in looks)
    return rollbacks / times


def test_accuracy_and_its_interval_worked_by_hand() -> None:
    report = quality.observed_quality(
        ["negative"] * 10, ["negative"] * 8 + ["neutral"] * 2, LABELS, BOOTSTRAP
    )

    assert report is not None
    # Wilson: (0.8 + 1.9208 / 10) / 1.38415 -+ 1.96 * sqrt(0.016 + 0.0096037) / 1.38415
    assert (report["labels"], report["accuracy"]) == (10, 0.8)
    assert (report["low"], report["high"]) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_macro_f1_equals_that_of_the_evaluation_within_its_interval() -> None:
    truth, predicted = np.random.default_rng(3).integers(3, size=(2, 300))
    report = quality.observed_quality(
        [LABELS[index] for index in truth], [LABELS[index] for index in predicted], LABELS, BOOTSTRAP
    )

    assert report is not None
    assert report["macro_f1"] == pytest.approx(
        float(macro_f1(confusion(truth.tolist(), predicted.tolist(), labels=3)))
    )
    assert report["macro_f1_low"] < report["macro_f1"] < report["macro_f1_high"]
    assert json.loads(json.dumps(report)) == report


def test_a_label_unknown_to_the_release_is_an_error() -> None:
    report = quality.observed_quality(["ironic", "neutral"], ["neutral", "neutral"], LABELS, BOOTSTRAP)

    assert report is not None
    assert report["accuracy"] == 0.5


def test_without_feedback_or_predictions_there_is_no_quality() -> None:
    assert quality.observed_quality([], [], LABELS, BOOTSTRAP) is None
    assert quality.estimated_quality(0, 0.0, BOOTSTRAP) is None


@pytest.mark.parametrize(("successes", "texts"), [(0, 10), (10, 10), (1, 1), (0, 1), (999, 1000)])
def test_an_interval_at_0_or_1_is_neither_empty_nor_beyond_it(successes: int, texts: int) -> None:
    low, high = quality.wilson_interval(successes, texts, confidence=0.95)

    assert 0 <= low < high <= 1
    assert low <= successes / texts <= high


def test_the_estimated_interval_covers_the_accuracy_of_a_calibrated_model() -> None:
    random, covered = np.random.default_rng(5), 0
    for seed in range(500):
        confidence = random.beta(6, 2, size=120)
        accuracy = float((random.random(120) < confidence).mean())
        report = quality.estimated_quality(120, float(confidence.mean()), BootstrapConfig(1000, 0.95, seed))
        assert report is not None
        covered += report["low"] <= accuracy <= report["high"]

    # Given the confidences, there is less variance than when the texts are drawn as well: it covers more.
    assert 0.93 <= covered / 500 <= 1, f"covered {covered} of 500"


def test_confidences_of_1_still_have_an_interval() -> None:
    report = quality.estimated_quality(20, 1.0, BOOTSTRAP)

    assert report is not None
    assert report["accuracy"] == report["high"] == 1.0
    assert 0.7 < report["low"] < 1


def test_too_few_labels_allow_no_decision() -> None:
    early = verdict(["no"] * 99, ["yes"] * 99)

    assert (early.figures, early.degraded) == (None, False)
    assert early.reason == (
        "99 true labels are too few to judge a release (watch.quality.min_labels is 100)."
    )


def test_a_significant_regression_is_explained_with_its_figures() -> None:
    regression = verdict(["no"] * 30 + ["yes"] * 70, ["yes"] * 90 + ["no"] * 10)

    assert regression.degraded
    figures = regression.figures
    assert figures is not None
    assert (figures.labels, figures.champion, figures.previous, figures.margin) == (100, 0.7, 0.9, 0.03)
    assert figures.drop == pytest.approx(0.2)
    assert figures.low > figures.margin
    assert regression.reason == (
        "On the same 100 texts with true labels r7 has an accuracy of 0.700 and r6 of 0.900: "
        "a drop of 0.200, significantly above the tolerated 0.030 "
        f"(watch.quality.rollback_margin; 95% lower bound {figures.low:+.3f}, corrected for repeated looks)."
    )


def test_a_better_champion_stays_and_the_reason_says_so() -> None:
    gain = verdict(["yes"] * 200, ["no"] * 60 + ["yes"] * 140)

    assert not gain.degraded
    assert "a gain of 0.300; a drop above the tolerated 0.030 is not significant" in gain.reason


def test_releases_with_equal_predictions_show_no_change() -> None:
    equal = verdict(["yes"] * 200, ["yes"] * 200)

    assert not equal.degraded
    assert "r6 of 1.000: no change; a drop" in equal.reason


def test_repeated_looks_roll_back_equal_releases_in_at_most_1_of_20() -> None:
    rates = {
        change: rollback_rate(change, change, range(100, 401, 25), times=1000, seed=11)
        for change in (0.05, 0.15)
    }

    assert max(rates.values()) <= 0.05, f"rolled back wrongly: {rates}"


def test_repeated_looks_roll_back_at_the_margin_in_at_most_1_of_20() -> None:
    # The hardest case under the guarantee.
    rates = {
        won: rollback_rate(won + 0.03, won, range(100, 401, 25), times=600, seed=12) for won in (0.01, 0.06)
    }

    assert max(rates.values()) <= 0.05, f"rolled back at the margin: {rates}"


def test_a_drop_of_15_points_is_detected_with_200_labels() -> None:
    rate = rollback_rate(0.19, 0.04, range(100, 201, 25), times=1000, seed=13)

    assert rate >= 0.90, f"detected {rate}"


def test_a_detected_regression_stays_with_more_labels_of_the_same_kind() -> None:
    samples = [
        [cell for cell, count in zip(CELLS, (4, 0, 12, 4), strict=True) for _ in range(count * times)]
        for times in (5, 10, 40)
    ]

    for cells in samples:
        assert verdict([champion for champion, _ in cells], [previous for _, previous in cells]).degraded


@given(st.integers(0, 60), st.integers(0, 60), st.integers(120, 2000))
def test_the_score_at_the_lower_bound_is_the_critical_value(lost: int, won: int, labels: int) -> None:
    low = quality._lower_bound(lost, won, labels, critical_value=2.0)

    assert -1 <= low <= (lost - won) / labels
    assert quality._score(lost, won, labels, low) == pytest.approx(2.0, abs=1e-3)


def test_the_error_spent_by_400_labels_is_the_promised_one() -> None:
    # Of 30,000 walks, tested whenever the labels have grown by a twentieth: 4.4 % of them cross the bound.
    random, looks = np.random.default_rng(2), 100 * 1.05 ** np.arange(29)
    steps = random.normal(size=(30_000, 29)) * np.sqrt(np.diff(looks, prepend=0))
    bounds = np.array([quality._critical_value(int(labels), 100, 0.95) for labels in looks])

    crossed = (np.cumsum(steps, axis=1) / np.sqrt(looks) > bounds).any(axis=1).mean()

    assert crossed == pytest.approx(0.05 * (1 - 0.5 * 100 / looks[-1]), abs=0.004), f"crossed {crossed}"
