"""Metrics of labels on a scale against hand-worked numbers and scikit-learn."""

import numpy as np
import pytest

from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.evaluate.metrics import confusion, confusion_by_group
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions
from pipeline.core.tasks.scale_metrics import (
    mean_absolute_error,
    paired_error,
    quadratic_weighted_kappa,
    scale_report,
    scale_scores,
)

SAMPLING = BootstrapConfig(200, 0.95, 7)


def test_the_mean_error_counts_steps() -> None:
    counts_LL = confusion([0, 1, 4, 4], [0, 3, 0, 4], labels=5)

    assert float(mean_absolute_error(counts_LL)) == (0 + 2 + 4 + 0) / 4


def test_weighted_kappa_equals_that_of_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score

    draw = np.random.default_rng(3)
    truth = draw.integers(5, size=200)
    predicted = np.clip(truth + draw.integers(-1, 2, size=200), 0, 4)

    kappa = float(quadratic_weighted_kappa(confusion(truth.tolist(), predicted.tolist(), labels=5)))

    assert kappa == pytest.approx(cohen_kappa_score(truth, predicted, weights="quadratic"))


def test_one_label_for_all_texts_agrees_by_chance_alone() -> None:
    assert float(quadratic_weighted_kappa(confusion([0, 1, 2], [1, 1, 1], labels=3))) == 0.0
    assert float(quadratic_weighted_kappa(confusion([1, 1], [1, 1], labels=3))) == 0.0


def test_the_report_holds_both_figures_within_their_intervals() -> None:
    draw = np.random.default_rng(5)
    truth = draw.integers(4, size=120)
    predicted = np.clip(truth + draw.integers(0, 2, size=120), 0, 3)
    groups = [f"g{number // 2}" for number in range(120)]

    report = scale_report(confusion_by_group(truth.tolist(), predicted.tolist(), groups, labels=4), SAMPLING)

    figures = scale_scores(truth, predicted, 4)
    for name, value in figures.items():
        low, high = report["intervals"][name]
        assert report[name] == pytest.approx(value)  # type: ignore[literal-required]
        assert low < value < high


def test_a_model_nearer_to_the_truth_has_a_positive_paired_difference() -> None:
    truth = [0, 1, 2, 3, 4] * 8
    near, far = [min(4, label + 1) for label in truth], [4 - label for label in truth]
    ids = [str(number) for number in range(len(truth))]

    metric = paired_error(PairedPredictions(ids, truth, near, far, ids), resamples=200, seed=3)

    assert metric.candidate == -0.8
    assert metric.champion == pytest.approx(-2.4)
    assert metric.difference == pytest.approx(1.6)
    assert metric.differences_B.mean() == pytest.approx(1.6, abs=0.1)
    assert metric.differing_groups == sum(
        abs(n - t) != abs(f - t) for n, f, t in zip(near, far, truth, strict=True)
    )
