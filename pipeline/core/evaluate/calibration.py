"""Calibration: how far probabilities match the share of correct predictions.

Legend: N texts, L labels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.base.documents import CalibrationBin, CalibrationError, CalibrationReport
from pipeline.core.evaluate import bootstrap

# The largest factor between a temperature and 1: beyond it all probabilities are nearly certain, or nearly
# equal.
MAX_FACTOR = 20.0

Table = NDArray[np.float64]


def measure_calibration(
    truth: Sequence[int], predicted: Sequence[int], probabilities: ArrayLike, *, bins: int, temperature: float
) -> CalibrationReport:
    """Measure the calibration of probabilities whose logits are already divided by `temperature`.

    ece: expected calibration error over bins of equal width (Guo et al., 2017), with the bins that hold
    texts.
    adaptive_ece: the same over bins of equally many texts (Nixon et al., 2019, for the predicted label
    alone); equal confidences share a bin. brier: squared distance from the truth, summed over labels, 0 to 2
    (Brier, 1950). `probabilities` is NxL; the confidence of a prediction is the probability of its label.
    """
    table_NL = np.asarray(probabilities, dtype=np.float64)
    predicted_N = np.asarray(predicted, dtype=np.int64)
    confidence_N = table_NL[np.arange(len(predicted_N)), predicted_N]
    correct_N = np.asarray(truth) == predicted_N
    # A confidence of exactly 1 belongs to the last bin.
    bin_N = np.clip((confidence_N * bins).astype(np.int64), 0, bins - 1)
    edges = np.quantile(confidence_N, np.arange(1, bins) / bins)
    return {
        "ece": _error(confidence_N, correct_N, bin_N),
        "adaptive_ece": _error(confidence_N, correct_N, np.searchsorted(edges, confidence_N, side="right")),
        "brier": float(np.square(table_NL - np.eye(table_NL.shape[1])[np.asarray(truth)]).sum(axis=1).mean()),
        "temperature": temperature,
        "bins": [
            _bin(index, bins, confidence_N[bin_N == index], correct_N[bin_N == index])
            for index in np.unique(bin_N).tolist()
        ],
    }


def debiased_error(
    confidence_N: Table,
    correct_N: NDArray[np.bool_],
    groups: Sequence[str],
    *,
    bins: int,
    sampling: bootstrap.BootstrapConfig,
) -> CalibrationError:
    """Estimate the root mean squared gap of confidence and accuracy, without the part that is noise.

    In bins of equally many texts the squared gap is too large by the variance of the accuracy, which is
    subtracted (Ferro and Fricker, 2012; Kumar, Liang and Ma, 2019). The interval is the basic bootstrap over
    groups: its resamples scatter about the uncorrected error. A calibrated model reaches 0.
    """
    edges = np.quantile(confidence_N, np.arange(1, bins) / bins)
    bin_N = np.searchsorted(edges, confidence_N, side="right")
    names, group_N = np.unique(np.asarray(groups), return_inverse=True)
    cell_N = group_N * bins + bin_N
    sums_GK = np.stack(
        [
            np.bincount(cell_N, weights, minlength=len(names) * bins).reshape(len(names), bins)
            for weights in (np.ones(len(bin_N)), confidence_N, correct_N.astype(np.float64))
        ],
        axis=1,
    )
    sums_BK = bootstrap.bootstrap_sums(sums_GK, resamples=sampling.resamples, seed=sampling.seed)
    total = sums_GK.sum(axis=0)
    square, uncorrected = (float(_squared_gap(total, corrected=corrected)) for corrected in (True, False))
    low, high = bootstrap.percentile_interval(
        _squared_gap(sums_BK, corrected=True), confidence=sampling.confidence
    )
    ends = (square, square - (high - uncorrected), square - (low - uncorrected))
    error, lower, upper = (float(np.sqrt(max(0.0, end))) for end in ends)
    return {"error": error, "low": min(lower, error), "high": max(upper, error), "texts": len(bin_N)}


def _squared_gap(sums: Table, *, corrected: bool) -> Table:
    """Compute the mean squared gap from counts, confidences and hits of bins; ...x3xK to ...."""
    count, confidence, hits = (sums[..., index, :] for index in range(3))
    texts = np.maximum(count, 1.0)
    accuracy = hits / texts
    gap = np.square((confidence / texts) - accuracy)
    if corrected:
        gap = gap - accuracy * (1 - accuracy) / np.maximum(count - 1, 1.0)
    return (count * gap).sum(axis=-1) / np.maximum(count.sum(axis=-1), 1.0)  # type: ignore[no-any-return]


def fit_temperature(logits_NL: ArrayLike, truth_N: ArrayLike) -> float:
    """Fit the temperature that maximizes the likelihood of the truth (Guo et al., 2017).

    It is 1 where none exists: when every prediction is correct, or the logits carry no information.
    """
    from scipy.optimize import minimize_scalar

    table_NL = np.asarray(logits_NL, dtype=np.float64)
    true_N = table_NL[np.arange(len(table_NL)), np.asarray(truth_N, dtype=np.int64)]
    all_correct = bool((true_N >= table_NL.max(axis=1, initial=-np.inf)).all())
    uninformative = float(true_N.sum()) <= float(table_NL.mean(axis=1).sum())
    if all_correct or uninformative:
        return 1.0

    def negative_log_likelihood(log_temperature: float) -> float:
        scaled_NL = table_NL / np.exp(log_temperature)
        highest_N = scaled_NL.max(axis=1)
        return float(
            (
                highest_N
                + np.log(np.exp(scaled_NL - highest_N[:, None]).sum(axis=1))
                - true_N / np.exp(log_temperature)
            ).mean()
        )

    minimum = minimize_scalar(
        negative_log_likelihood, bounds=(-np.log(MAX_FACTOR), np.log(MAX_FACTOR)), method="bounded"
    )
    return float(np.exp(minimum.x))


def _error(confidence_N: Table, correct_N: NDArray[np.bool_], bin_N: NDArray[np.int64]) -> float:
    # The gap of a bin: its number of texts times |mean confidence - accuracy|.
    gaps = np.abs(np.bincount(bin_N, confidence_N - correct_N))
    return float(gaps.sum() / max(1, len(bin_N)))


def _bin(index: int, bins: int, confidence_N: Table, correct_N: NDArray[np.bool_]) -> CalibrationBin:
    return {
        "low": index / bins,
        "high": (index + 1) / bins,
        "confidence": float(confidence_N.mean()),
        "accuracy": float(correct_N.mean()),
        "texts": len(correct_N),
    }
