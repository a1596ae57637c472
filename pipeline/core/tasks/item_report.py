"""The evaluation report of tasks whose answers have several items: labels, or entities.

It is made of tallies: for each label, the items that truth and prediction share, and those that each has.
Legend: N texts, G groups, B resamples, L labels, K = 2L + 2 counts of a group.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import EvaluateConfig
from pipeline.base.documents import (
    CalibrationError,
    CalibrationReport,
    EvaluationReport,
    LabelScores,
    ModelScores,
    PublishedScores,
    SubsetScores,
)
from pipeline.base.documents.evaluation import ItemScores, TaskScores
from pipeline.base.tasks import TaskName
from pipeline.core.evaluate import bootstrap, metrics
from pipeline.core.evaluate.calibration import debiased_error, measure_calibration
from pipeline.core.evaluate.report import (
    LabelledPredictions,
    RobustnessReports,
    ScoredTexts,
    paired_gain,
    report_sampling,
    require_test_texts,
)
from pipeline.core.evaluate.slices import slice_members

Sets = NDArray[np.bool_]


def item_report(
    test: LabelledPredictions,
    *,
    task: TaskName,
    baselines: Mapping[str, Sequence[int]],
    robustness: RobustnessReports,
    calibration: CalibrationReport,
    cfg: EvaluateConfig,
    seed: int,
    reserved: int,
) -> EvaluationReport:
    """Build the document of `evaluation.json`; it has no confusion of one label with another.

    Raises DataRejected when the test set is empty.
    """
    require_test_texts(test)
    sampling = report_sampling(cfg, seed)
    own: TaskScores = {"task": task, "items": item_scores(test, sampling)}
    slices = slice_members(test.texts, test.sources, test.langs, cfg)
    return {
        **model_scores(test, test.predicted, sampling),
        **own,
        "labels": list(test.labels),
        "texts": len(test.truth),
        "reserved": reserved,
        "per_class": per_label(test),
        "confusion": [],
        "slices": {name: _scores(test, test.predicted, rows) for name, rows in slices.items()},
        "calibration": calibration,
        "behaviour": dict(robustness.behaviour),
        "attack": robustness.attack,
        "human": None,
        "baselines": {
            name: {**model_scores(test, predicted, sampling), "gain": paired_gain(test, predicted, sampling)}
            for name, predicted in sorted(baselines.items())
        },
    }


def published_item_scores(reserve: ScoredTexts, cfg: EvaluateConfig, seed: int) -> PublishedScores | None:
    """Measure a promoted candidate on the reserve, on which nothing was chosen; None where it is empty."""
    if not reserve.truth:
        return None
    scores = model_scores(reserve, reserve.predicted, report_sampling(cfg, seed))
    return {**scores, "texts": len(reserve.truth)}


def set_macro_f1(truth_NL: Sets, predicted_NL: Sets) -> float:
    """Compute macro F1 of NL label sets against NL others, over the labels that occur."""
    hits_L = (truth_NL & predicted_NL).sum(axis=0)
    tally_2L = np.stack([hits_L, truth_NL.sum(axis=0) + predicted_NL.sum(axis=0)])
    return float(metrics.tallied_macro_f1(tally_2L, np.asarray(truth_NL.any(axis=0))))


def model_scores(
    test: ScoredTexts, predicted: Sequence[int], sampling: bootstrap.BootstrapConfig
) -> ModelScores:
    """Compute the scores of a model or a baseline, by source too, with their intervals over groups."""
    counts_GK = _counts(test, predicted, test.groups)
    occurs_L = _occurs(test, range(len(test.truth)))
    resampled = _figures(
        bootstrap.bootstrap_sums(counts_GK, resamples=sampling.resamples, seed=sampling.seed), occurs_L
    )
    overall = _figures(counts_GK.sum(axis=0), occurs_L)
    sources_N = np.asarray(test.sources)
    return {
        "macro_f1": float(overall["macro_f1"]),
        "accuracy": float(overall["accuracy"]),
        "per_source": {
            name: _scores(test, predicted, np.flatnonzero(sources_N == name).tolist())
            for name in sorted(set(test.sources))
        },
        "intervals": {
            name: list(bootstrap.percentile_interval(values_B, confidence=sampling.confidence))
            for name, values_B in resampled.items()
        },
    }


def per_label(test: ScoredTexts) -> dict[str, LabelScores]:
    """Compute precision, recall, F1 and support of each label."""
    truth_N, predicted_N = np.asarray(test.truth), np.asarray(test.predicted)
    hits_L = _items(test).shared(truth_N, predicted_N).sum(axis=0)
    support_L = _items(test).sizes_AL[truth_N].sum(axis=0)
    predicted_L = _items(test).sizes_AL[predicted_N].sum(axis=0)
    f1_L = metrics.tallied_f1(np.stack([hits_L, support_L + predicted_L]))
    return {
        label: {
            "precision": float(hits_L[number] / max(1, predicted_L[number])),
            "recall": float(hits_L[number] / max(1, support_L[number])),
            "f1": float(f1_L[number]),
            "texts": int(support_L[number]),
        }
        for number, label in enumerate(test.labels)
    }


def set_calibration(test: LabelledPredictions, cfg: EvaluateConfig, seed: int) -> CalibrationReport:
    """Measure how far the probability of each label is from how often it is true; M = N x L decisions.

    The decision that a label is absent has one less its probability.
    """
    labels = len(test.labels)
    true_M = (_items(test).sizes_AL[np.asarray(test.truth)] > 0).astype(np.int64).reshape(-1)
    said_M = (_items(test).sizes_AL[np.asarray(test.predicted)] > 0).astype(np.int64).reshape(-1)
    probability_M = test.probabilities.reshape(-1)
    both_M2 = np.stack([1 - probability_M, probability_M], axis=1)
    report = measure_calibration(
        true_M.tolist(), said_M.tolist(), both_M2, bins=cfg.calibration_bins, temperature=test.temperature
    )
    confidence_M, correct_M = both_M2[np.arange(len(said_M)), said_M], true_M == said_M
    groups_M, sources_M = np.repeat(test.groups, labels), np.repeat(test.sources, labels)

    def error(rows_R: NDArray[np.int64]) -> CalibrationError:
        return debiased_error(
            confidence_M[rows_R],
            correct_M[rows_R],
            groups_M[rows_R].tolist(),
            bins=cfg.calibration_bins,
            sampling=report_sampling(cfg, seed),
        )

    members = {name: np.flatnonzero(sources_M == name) for name in sorted(set(test.sources))}
    measured = {
        name: rows_R for name, rows_R in members.items() if len(rows_R) >= cfg.min_slice_texts * labels
    }
    report["debiased"] = error(np.arange(len(said_M)))
    report["per_source"] = {name: error(rows_R) for name, rows_R in measured.items()}
    return report


def _items(test: ScoredTexts) -> metrics.AnswerItems:
    assert isinstance(test.items, metrics.AnswerItems)
    return test.items


def _scores(test: ScoredTexts, predicted: Sequence[int], rows: Sequence[int]) -> SubsetScores:
    chosen = np.asarray(rows, dtype=np.int64)
    part = ScoredTexts(
        labels=test.labels,
        truth=np.asarray(test.truth)[chosen].tolist(),
        predicted=np.asarray(predicted)[chosen].tolist(),
        groups=["" for _ in rows],
        sources=["" for _ in rows],
        items=test.items,
    )
    figures = _figures(_counts(part, part.predicted, part.groups).sum(axis=0), _occurs(test, rows))
    return {
        "macro_f1": float(figures["macro_f1"]),
        "accuracy": float(figures["accuracy"]),
        "texts": len(rows),
    }


def item_scores(test: ScoredTexts, sampling: bootstrap.BootstrapConfig) -> ItemScores:
    """Compute micro F1, and the interval of the F1 of each label over groups."""
    counts_GK = _counts(test, test.predicted, test.groups)
    sums_BK = bootstrap.bootstrap_sums(counts_GK, resamples=sampling.resamples, seed=sampling.seed)
    f1_BL = metrics.tallied_f1(_tallies(sums_BK))
    return {
        "micro_f1": float(_figures(counts_GK.sum(axis=0), _occurs(test, range(0)))["micro_f1"]),
        "label_intervals": {
            label: list(bootstrap.percentile_interval(f1_BL[:, number], confidence=sampling.confidence))
            for number, label in enumerate(test.labels)
        },
    }


def _counts(test: ScoredTexts, predicted: Sequence[int], groups: Sequence[Hashable]) -> metrics.Counts:
    """Return of each group its tallies, how many texts are exactly right, and how many there are; GxK."""
    truth_N, predicted_N = np.asarray(test.truth, np.int64), np.asarray(predicted, np.int64)
    names, group_N = np.unique(np.asarray(groups), return_inverse=True)
    tallies_G2L = _items(test).tally_by_group(truth_N, predicted_N, group_N, groups=len(names))
    exact_G = np.bincount(group_N[truth_N == predicted_N], minlength=len(names))
    texts_G = np.bincount(group_N, minlength=len(names))
    return np.concatenate(
        [tallies_G2L.reshape(len(names), -1), exact_G[:, None], texts_G[:, None]], axis=1
    ).astype(np.int64)


def _figures(counts: metrics.Array, occurs_L: Sets) -> dict[str, metrics.Values]:
    """Compute macro F1, micro F1 and accuracy from counts; ...xK to ...."""
    tallies = _tallies(counts)
    total = tallies.sum(axis=-1)
    return {
        "macro_f1": metrics.tallied_macro_f1(tallies, occurs_L),
        "micro_f1": np.asarray(2.0 * total[..., 0] / np.maximum(total[..., 1], 1)),
        "accuracy": np.asarray(counts[..., -2] / np.maximum(counts[..., -1], 1)),
    }


def _tallies(counts: metrics.Array) -> metrics.Array:
    """Return the tallies among counts; ...xK to ...x2xL."""
    return counts[..., :-2].reshape(*counts.shape[:-1], 2, -1)


def _occurs(test: ScoredTexts, rows: Sequence[int]) -> Sets:
    truth_R = np.asarray(test.truth, dtype=np.int64)[np.asarray(rows, dtype=np.int64)]
    return np.asarray(_items(test).sizes_AL[truth_R].sum(axis=0) > 0)
