"""Build the evaluation report: the measurements of one candidate and of the baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import EvaluateConfig
from pipeline.base.documents import (
    AbilityReport,
    AttackReport,
    EvaluationReport,
    HumanAgreement,
    ModelScores,
)
from pipeline.base.errors import DataRejected
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate import bootstrap, calibration, metrics
from pipeline.core.evaluate.slices import slice_members


@dataclass(frozen=True)
class LabelledPredictions:
    """Hold ground truth and predictions of N test texts, as indices of `labels`, and the probabilities (NxL).

    `temperature` is the one the logits are divided by.
    """

    labels: tuple[str, ...]
    truth: Sequence[int]
    predicted: Sequence[int]
    probabilities: NDArray[np.float64]
    groups: Sequence[str]
    sources: Sequence[str]
    langs: Sequence[str]
    texts: Sequence[str]
    temperature: float


@dataclass(frozen=True)
class RobustnessReports:
    """Hold what is measured beyond the test set; empty or None where it is not measured."""

    behaviour: Mapping[str, AbilityReport]
    attack: AttackReport | None
    human: HumanAgreement | None


NOT_MEASURED = RobustnessReports(behaviour={}, attack=None, human=None)


def evaluation_report(
    test: LabelledPredictions,
    *,
    baselines: Mapping[str, Sequence[int]],
    robustness: RobustnessReports,
    cfg: EvaluateConfig,
    seed: int,
) -> EvaluationReport:
    """Build the document of `evaluation.json`; `baselines` holds the predictions of each baseline.

    Raises DataRejected when the test set is empty.
    """
    if not test.truth:
        raise DataRejected(
            "The test split is empty, so nothing can be evaluated. Raise split.test, or collect more texts."
        )
    labels = len(test.labels)
    counts_LL = metrics.confusion(test.truth, test.predicted, labels=labels)
    slices = slice_members(test.texts, test.sources, test.langs, cfg)
    return {
        **_model_scores(test, test.predicted, cfg, seed),
        "labels": list(test.labels),
        "texts": len(test.truth),
        "per_class": metrics.per_class(counts_LL, test.labels),
        "confusion": counts_LL.tolist(),
        "slices": metrics.per_slice(test.truth, test.predicted, slices, labels=labels),
        "calibration": calibration.measure_calibration(
            test.truth,
            test.predicted,
            test.probabilities,
            bins=cfg.calibration_bins,
            temperature=test.temperature,
        ),
        "behaviour": dict(robustness.behaviour),
        "attack": robustness.attack,
        "human": robustness.human,
        "baselines": {
            name: _model_scores(test, predicted, cfg, seed) for name, predicted in sorted(baselines.items())
        },
    }


def _model_scores(
    test: LabelledPredictions, predicted: Sequence[int], cfg: EvaluateConfig, seed: int
) -> ModelScores:
    labels = len(test.labels)
    counts_GLL = metrics.confusion_by_group(test.truth, predicted, test.groups, labels=labels)
    overall = metrics.summary(counts_GLL.sum(axis=0))
    sampling = bootstrap.BootstrapConfig(
        cfg.resamples, cfg.confidence, seed_for(seed, "evaluate", "intervals")
    )
    return {
        "macro_f1": overall["macro_f1"],
        "accuracy": overall["accuracy"],
        "per_source": metrics.per_source(test.truth, predicted, test.sources, labels=labels),
        "intervals": bootstrap.metric_intervals(counts_GLL, sampling),
    }
