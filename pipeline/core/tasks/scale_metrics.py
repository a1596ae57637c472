"""Metrics of labels on a scale, computed from confusion counts or from paired predictions.

Legend: N texts, G groups, B resamples, L labels in the order of the scale.
"""

import numpy as np

from pipeline.base.documents.evaluation import ScaleReport
from pipeline.core.evaluate import bootstrap
from pipeline.core.evaluate.metrics import Array, Counts, Values, confusion
from pipeline.core.evaluate.paired_bootstrap import PairedMetric, PairedPredictions


def mean_absolute_error(counts: Array) -> Values:
    """Compute the mean number of steps between truth and prediction; ...xLxL to ....

    It is 0 where there is no text.
    """
    steps_LL = _steps(counts.shape[-1])
    texts = np.maximum(counts.sum(axis=(-2, -1)), 1)
    return np.asarray((counts * steps_LL).sum(axis=(-2, -1)) / texts)


def quadratic_weighted_kappa(counts: Array) -> Values:
    """Compute Cohen's kappa with quadratic weights (Cohen, 1968) in [-1, 1]; ...xLxL to ....

    It is 0 where truth or prediction has one label alone, and all texts agree by chance.
    """
    weights_LL = np.square(_steps(counts.shape[-1]))
    truth, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    texts = np.maximum(counts.sum(axis=(-2, -1)), 1)
    expected = truth[..., :, None] * predicted[..., None, :] / texts[..., None, None]
    observed_error = (counts * weights_LL).sum(axis=(-2, -1)).astype(np.float64)
    expected_error = (expected * weights_LL).sum(axis=(-2, -1))
    ratio = np.divide(
        observed_error, expected_error, out=np.ones_like(observed_error), where=expected_error > 0
    )
    return np.asarray(1.0 - ratio)


def scale_scores(truth_N: Counts, predicted_N: Counts, labels: int) -> dict[str, float]:
    """Compute both metrics of N label indices against N others."""
    counts_LL = confusion(truth_N.tolist(), predicted_N.tolist(), labels=labels)
    return {
        "mean_absolute_error": float(mean_absolute_error(counts_LL)),
        "weighted_kappa": float(quadratic_weighted_kappa(counts_LL)),
    }


def scale_report(counts_GLL: Counts, sampling: bootstrap.BootstrapConfig) -> ScaleReport:
    """Compute both metrics with their intervals over groups of texts."""
    counts_LL = counts_GLL.sum(axis=0)
    counts_BLL = bootstrap.bootstrap_sums(counts_GLL, resamples=sampling.resamples, seed=sampling.seed)
    resampled = {
        "mean_absolute_error": mean_absolute_error(counts_BLL),
        "weighted_kappa": quadratic_weighted_kappa(counts_BLL),
    }
    return {
        "mean_absolute_error": float(mean_absolute_error(counts_LL)),
        "weighted_kappa": float(quadratic_weighted_kappa(counts_LL)),
        "intervals": {
            name: list(bootstrap.percentile_interval(values_B, confidence=sampling.confidence))
            for name, values_B in resampled.items()
        },
    }


def paired_error(pair: PairedPredictions, *, resamples: int, seed: int) -> PairedMetric:
    """Resample the difference of both models' mean absolute errors, with the sign turned: more is better."""
    truth_N = np.asarray(pair.truth, dtype=np.int64)
    steps_2N = np.stack(
        [np.abs(np.asarray(predicted) - truth_N) for predicted in (pair.candidate, pair.champion)]
    )
    names, group_N = np.unique(np.asarray(pair.groups), return_inverse=True)
    sums_G3 = np.stack(
        [
            np.bincount(group_N, weights, minlength=len(names))
            for weights in (*steps_2N, np.ones(len(truth_N)))
        ],
        axis=1,
    )
    sums_B3 = bootstrap.bootstrap_sums(sums_G3, resamples=resamples, seed=seed)
    candidate, champion = (-float(steps_N.mean()) for steps_N in steps_2N)
    differing = int(np.count_nonzero(sums_G3[:, 0] != sums_G3[:, 1]))
    differences_B = (sums_B3[:, 1] - sums_B3[:, 0]) / sums_B3[:, 2]
    return PairedMetric("minus mean error", len(truth_N), candidate, champion, differences_B, differing)


def _steps(labels: int) -> Counts:
    places = np.arange(labels)
    return np.asarray(np.abs(places[:, None] - places[None, :]))
