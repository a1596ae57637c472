"""Build the evaluation report: the measurements of one candidate and of the baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import EvaluateConfig
from pipeline.base.documents import (
    AbilityReport,
    AttackReport,
    CalibrationError,
    CalibrationReport,
    Difference,
    EvaluationReport,
    HumanAgreement,
    ModelScores,
    PublishedScores,
)
from pipeline.base.documents.evaluation import TaskScores
from pipeline.base.errors import DataRejected
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate import bootstrap, calibration, metrics
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions, paired_metrics
from pipeline.core.evaluate.slices import slice_members


@dataclass(frozen=True, kw_only=True)
class ScoredTexts:
    """Hold ground truth and predictions of N test texts, as indices of `labels`.

    With `items` they are indices of answers, which may have several items each.
    """

    labels: tuple[str, ...]
    truth: Sequence[int]
    predicted: Sequence[int]
    groups: Sequence[str]
    sources: Sequence[str]
    items: metrics.Tallied | None = None


@dataclass(frozen=True, kw_only=True)
class LabelledPredictions(ScoredTexts):
    """Hold N test texts with their predictions and the probabilities (NxL).

    `temperature` is the one the logits are divided by.
    """

    probabilities: NDArray[np.float64]
    langs: Sequence[str]
    texts: Sequence[str]
    temperature: float


@dataclass(frozen=True)
class RobustnessReports:
    """Hold what is measured beyond the test set; empty or None where it is not measured."""

    behaviour: Mapping[str, AbilityReport]
    attack: AttackReport | None
    human: HumanAgreement | None


NOTHING_OWN: TaskScores = {}
NOT_MEASURED = RobustnessReports(behaviour={}, attack=None, human=None)


def evaluation_report(
    test: LabelledPredictions,
    *,
    baselines: Mapping[str, Sequence[int]],
    robustness: RobustnessReports,
    cfg: EvaluateConfig,
    seed: int,
    reserved: int = 0,
    own: TaskScores = NOTHING_OWN,
) -> EvaluationReport:
    """Build the document of `evaluation.json`; `baselines` holds the predictions of each baseline.

    `reserved` is how many more test texts are reserved, `own` what only the task measures.
    Raises DataRejected when the test set is empty.
    """
    require_test_texts(test)
    labels = len(test.labels)
    sampling = report_sampling(cfg, seed)
    counts_LL = metrics.confusion(test.truth, test.predicted, labels=labels)
    slices = slice_members(test.texts, test.sources, test.langs, cfg)
    return {
        **_model_scores(test, test.predicted, sampling),
        **own,
        "labels": list(test.labels),
        "texts": len(test.truth),
        "reserved": reserved,
        "per_class": metrics.per_class(counts_LL, test.labels),
        "confusion": counts_LL.tolist(),
        "slices": metrics.per_slice(test.truth, test.predicted, slices, labels=labels),
        "calibration": _calibration(test, cfg, sampling),
        "behaviour": dict(robustness.behaviour),
        "attack": robustness.attack,
        "human": robustness.human,
        "baselines": {
            name: {**_model_scores(test, predicted, sampling), "gain": paired_gain(test, predicted, sampling)}
            for name, predicted in sorted(baselines.items())
        },
    }


def published_scores(reserve: ScoredTexts, cfg: EvaluateConfig, seed: int) -> PublishedScores | None:
    """Measure a promoted candidate on the reserve, on which nothing was chosen; None where it is empty."""
    if not reserve.truth:
        return None
    scores = _model_scores(reserve, reserve.predicted, report_sampling(cfg, seed))
    return {**scores, "texts": len(reserve.truth)}


def require_test_texts(test: LabelledPredictions) -> None:
    """Raise DataRejected where nothing can be evaluated."""
    if not test.truth:
        raise DataRejected(
            "The test split is empty, so nothing can be evaluated. Raise split.test, or collect more texts."
        )


def report_sampling(cfg: EvaluateConfig, seed: int) -> bootstrap.BootstrapConfig:
    """Return how the intervals of a report are drawn."""
    return bootstrap.BootstrapConfig(cfg.resamples, cfg.confidence, seed_for(seed, "evaluate", "intervals"))


def _model_scores(
    test: ScoredTexts, predicted: Sequence[int], sampling: bootstrap.BootstrapConfig
) -> ModelScores:
    labels = len(test.labels)
    counts_GLL = metrics.confusion_by_group(test.truth, predicted, test.groups, labels=labels)
    overall = metrics.summary(counts_GLL.sum(axis=0))
    return {
        "macro_f1": overall["macro_f1"],
        "accuracy": overall["accuracy"],
        "per_source": metrics.per_source(test.truth, predicted, test.sources, labels=labels),
        "intervals": bootstrap.metric_intervals(counts_GLL, sampling),
    }


def paired_gain(
    test: ScoredTexts, baseline: Sequence[int], sampling: bootstrap.BootstrapConfig
) -> Difference:
    """Compare the candidate with a baseline on the same resampled texts."""
    pair = PairedPredictions(test.groups, test.truth, test.predicted, baseline, test.groups, test.items)
    (gain, *_) = paired_metrics(pair, {}, test.labels, resamples=sampling.resamples, seed=sampling.seed)
    low, high = bootstrap.percentile_interval(gain.differences_B, confidence=sampling.confidence)
    figures = {"candidate": gain.candidate, "champion": gain.champion, "difference": gain.difference}
    return cast(Difference, {**figures, "low": low, "high": high})


def _calibration(
    test: LabelledPredictions, cfg: EvaluateConfig, sampling: bootstrap.BootstrapConfig
) -> CalibrationReport:
    report = calibration.measure_calibration(
        test.truth,
        test.predicted,
        test.probabilities,
        bins=cfg.calibration_bins,
        temperature=test.temperature,
    )
    predicted_N = np.asarray(test.predicted)
    confidence_N = test.probabilities[np.arange(len(predicted_N)), predicted_N]
    correct_N, sources_N = np.asarray(test.truth) == predicted_N, np.asarray(test.sources)

    def error(rows_N: NDArray[np.int64]) -> CalibrationError:
        groups = [test.groups[row] for row in rows_N]
        return calibration.debiased_error(
            confidence_N[rows_N], correct_N[rows_N], groups, bins=cfg.calibration_bins, sampling=sampling
        )

    members = {name: np.flatnonzero(sources_N == name) for name in sorted(set(test.sources))}
    # A small source has no more than noise in each bin.
    measured = {name: rows_N for name, rows_N in members.items() if len(rows_N) >= cfg.min_slice_texts}
    report["debiased"] = error(np.arange(len(predicted_N)))
    report["per_source"] = {name: error(rows_N) for name, rows_N in measured.items()}
    return report
