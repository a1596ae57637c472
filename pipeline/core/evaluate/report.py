"""The document of an evaluation: every figure of one candidate beside those of the baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from pipeline.base.config import EvaluateConfig
from pipeline.base.errors import DataRejected
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate import bootstrap, calibration, metrics
from pipeline.core.evaluate.slices import slice_members

# What stands in the document for that which nobody measured.
NOT_MEASURED: Mapping[str, Any] = {"behaviour": {}, "attack": None, "human": None}


@dataclass(frozen=True)
class LabelledPredictions:
    """Hold N test texts' truth beside what was answered; labels by their index in `labels`, probabilities NxL.

    `temperature` is the one the probabilities were made with.
    """

    labels: tuple[str, ...]
    truth: Sequence[int]
    guess: Sequence[int]
    probabilities: ArrayLike
    groups: Sequence[str]
    sources: Sequence[str]
    langs: Sequence[str]
    texts: Sequence[str]
    temperature: float


def evaluation_report(
    answered: LabelledPredictions,
    *,
    baselines: Mapping[str, Sequence[int]],
    extra: Mapping[str, Any],
    cfg: EvaluateConfig,
    seed: int,
) -> dict[str, Any]:
    """Build the document of `evaluation.json`; it holds plain values only.

    `extra` brings the documents that others measured, under `behaviour`, `attack` and `human`; one that is absent was not measured.
    Raises DataRejected when there is no text to judge by.
    """
    if not answered.truth:
        raise DataRejected(
            "The test split holds no texts, so nothing can be judged. Raise split.test, or collect more texts."
        )
    assert set(extra) <= set(NOT_MEASURED), extra
    truth, guess, labels = answered.truth, answered.guess, len(answered.labels)
    counts_LL = metrics.confusion(truth, guess, labels=labels)
    slices = slice_members(answered.texts, answered.sources, answered.langs, cfg)
    return {
        **NOT_MEASURED,
        **extra,
        "labels": list(answered.labels),
        **_figures(answered, guess, cfg, seed),
        "texts": len(truth),
        "per_class": metrics.per_class(counts_LL, answered.labels),
        "confusion": counts_LL.tolist(),
        "slices": metrics.per_slice(truth, guess, slices, labels=labels),
        "calibration": calibration.measure_calibration(
            truth, guess, answered.probabilities, bins=cfg.calibration_bins, temperature=answered.temperature
        ),
        "baselines": {
            name: _figures(answered, theirs, cfg, seed) for name, theirs in sorted(baselines.items())
        },
    }


def _figures(
    answered: LabelledPredictions, guess: Sequence[int], cfg: EvaluateConfig, seed: int
) -> dict[str, Any]:
    labels = len(answered.labels)
    counts_GLL = metrics.confusion_by_group(answered.truth, guess, answered.groups, labels=labels)
    overall = metrics.summary(counts_GLL.sum(axis=0))
    return {
        "macro_f1": overall["macro_f1"],
        "accuracy": overall["accuracy"],
        "per_source": metrics.per_source(answered.truth, guess, answered.sources, labels=labels),
        "intervals": bootstrap.metric_intervals(
            counts_GLL,
            resamples=cfg.resamples,
            confidence=cfg.confidence,
            seed=seed_for(seed, "evaluate", "intervals"),
        ),
    }
