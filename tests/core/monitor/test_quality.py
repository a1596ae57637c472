"""Quality by ground truth and by confidence, and regressions against the previous release."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from audited import audit_labels

from pipeline.base.config import QualityConfig
from pipeline.base.documents import ObservedQuality
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.evaluate.metrics import confusion, macro_f1
from pipeline.core.monitor import quality

LABELS = ("negative", "neutral", "positive")
BOOTSTRAP = BootstrapConfig(resamples=400, confidence=0.95, seed=7)
CFG = QualityConfig(min_labels=100, rollback_hours=72.0, rollback_margin=0.03)
# The truth is always `yes`. Predictions of champion and previous release: lost, won, both right, both wrong.
CELLS = (("no", "yes"), ("yes", "no"), ("yes", "yes"), ("no", "no"))


def verdict(champion: list[str], previous: list[str], cfg: QualityConfig = CFG) -> quality.RegressionVerdict:
    audited = audit_labels(["yes"] * len(champion), champion)
    return quality.detect_regression(audited, previous, cfg, confidence=0.95, champion="r7", previous="r6")


def observe(truth: Sequence[str], predicted: Sequence[str], **values: Any) -> ObservedQuality:
    report = quality.observed_quality(audit_labels(truth, predicted, **values), LABELS, BOOTSTRAP)
    assert report is not None
    return report


def test_accuracy_and_its_interval_worked_by_hand() -> None:
    report = observe(["negative"] * 10, ["negative"] * 8 + ["neutral"] * 2)

    # Wilson: (0.8 + 1.9208 / 10) / 1.38415 -+ 1.96 * sqrt(0.016 + 0.0096037) / 1.38415
    assert (report["labels"], report["accuracy"]) == (10, pytest.approx(0.8))
    assert (report["low"], report["high"]) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_macro_f1_equals_that_of_the_evaluation_within_its_interval() -> None:
    truth, predicted = np.random.default_rng(3).integers(3, size=(2, 300))
    report = observe([LABELS[index] for index in truth], [LABELS[index] for index in predicted])

    assert report["macro_f1"] == pytest.approx(
        float(macro_f1(confusion(truth.tolist(), predicted.tolist(), labels=3)))
    )
    assert report["macro_f1_low"] < report["macro_f1"] < report["macro_f1_high"]
    assert json.loads(json.dumps(report)) == report


def test_a_label_stands_for_as_many_texts_as_its_inclusion_says() -> None:
    rare, frequent = audit_labels(["neutral", "neutral"], ["positive", "neutral"])
    report = quality.observed_quality(
        [replace(rare, inclusion=1.0), replace(frequent, inclusion=0.25)], LABELS, BOOTSTRAP
    )

    assert report is not None
    assert report["accuracy"] == pytest.approx(0.8)


def test_a_label_unknown_to_the_release_is_an_error() -> None:
    assert observe(["ironic", "neutral"], ["neutral", "neutral"])["accuracy"] == 0.5


def test_without_labels_or_predictions_there_is_no_quality() -> None:
    assert quality.observed_quality([], LABELS, BOOTSTRAP) is None
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
        "99 texts with an audit label are too few to judge a release (watch.quality.min_labels is 100)."
    )


def test_a_significant_regression_is_explained_with_its_figures() -> None:
    regression = verdict(["no"] * 30 + ["yes"] * 70, ["yes"] * 90 + ["no"] * 10)

    assert regression.degraded
    figures = regression.figures
    assert figures is not None
    assert (figures.labels, figures.champion, figures.previous, figures.margin) == (100, 0.7, 0.9, 0.03)
    assert figures.drop == pytest.approx(0.2)
    assert figures.evidence > figures.needed == pytest.approx(20)
    assert regression.reason == (
        "By 100 audit labels r7 has an accuracy of 0.700 and r6 of 0.900 on the same texts: "
        "a drop of 0.200, no chance, beyond the tolerated one (watch.quality.rollback_margin is 0.030; "
        f"evidence against no loss {figures.evidence:,.1f}, 20 needed at any look)."
    )


def test_a_drop_that_is_no_chance_but_small_is_tolerated() -> None:
    small = verdict(["no"] * 20 + ["yes"] * 980, ["yes"] * 1000)

    assert not small.degraded
    assert "a drop of 0.020, no chance, below the tolerated one" in small.reason


def test_a_drop_that_may_be_chance_is_no_regression() -> None:
    champion, previous = ["yes", "no", "no"] * 10 + ["yes"] * 90, ["no", "yes", "no"] * 5 + ["yes"] * 105
    chance = verdict(champion, previous)

    assert not chance.degraded
    assert "a drop of 0.083, which may be chance" in chance.reason


def test_a_better_champion_stays_and_the_reason_says_so() -> None:
    gain = verdict(["yes"] * 200, ["no"] * 60 + ["yes"] * 140)

    assert not gain.degraded
    assert "on the same texts: a gain of 0.300 (watch" in gain.reason


def test_a_loss_in_oversampled_topics_is_no_loss_over_all_texts() -> None:
    # Of 100 texts in a small topic 30 are lost, but those stand for 200 texts, the other 100 for 2,000.
    champion, previous = ["no"] * 30 + ["yes"] * 170, ["yes"] * 200
    audited = [
        replace(entry, inclusion=0.5 if number < 100 else 0.005)
        for number, entry in enumerate(audit_labels(["yes"] * 200, champion))
    ]
    found = quality.detect_regression(audited, previous, CFG, confidence=0.95, champion="r7", previous="r6")

    assert not found.degraded
    assert found.figures is not None
    assert found.figures.drop == pytest.approx(60 / 20_200)


def test_releases_with_equal_predictions_show_no_change() -> None:
    equal = verdict(["yes"] * 200, ["yes"] * 200)

    assert not equal.degraded
    assert "r6 of 1.000 on the same texts: no change (watch" in equal.reason


def test_a_detected_regression_stays_with_more_labels_of_the_same_kind() -> None:
    samples = [
        [cell for cell, count in zip(CELLS, (4, 0, 12, 4), strict=True) for _ in range(count * times)]
        for times in (5, 10, 40)
    ]

    for cells in samples:
        assert verdict([champion for champion, _ in cells], [previous for _, previous in cells]).degraded
