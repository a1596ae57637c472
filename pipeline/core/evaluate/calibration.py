"""How far a stated probability may be taken at its word.

Legend: N texts, L labels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# How far a temperature may lie from 1, as a factor: beyond it probabilities are all but certain, or all but equal.
FURTHEST = 20.0

Table = NDArray[np.float64]


def measure_calibration(
    truth: Sequence[int], guess: Sequence[int], probabilities: ArrayLike, *, bins: int, temperature: float
) -> dict[str, Any]:
    """Measure the calibration of probabilities that were divided by this temperature already.

    ece: expected calibration error over bins of equal width (Guo et al., 2017), with the bins that hold texts.
    adaptive_ece: the same over bins of equally many texts (Nixon et al., 2019, for the guessed label alone); equal
    confidences share a bin. brier: squared distance from the truth, summed over labels, 0 to 2 (Brier, 1950).
    `probabilities` is NxL; the confidence of an answer is the probability of the label it guessed.
    """
    table_NL = np.asarray(probabilities, dtype=np.float64)
    guess_N = np.asarray(guess, dtype=np.int64)
    confidence_N = table_NL[np.arange(len(guess_N)), guess_N]
    right_N = np.asarray(truth) == guess_N
    # A confidence of exactly 1 belongs to the last bin.
    bin_N = np.clip((confidence_N * bins).astype(np.int64), 0, bins - 1)
    edges = np.quantile(confidence_N, np.arange(1, bins) / bins)
    return {
        "ece": _error(confidence_N, right_N, bin_N),
        "adaptive_ece": _error(confidence_N, right_N, np.searchsorted(edges, confidence_N, side="right")),
        "brier": float(np.square(table_NL - np.eye(table_NL.shape[1])[np.asarray(truth)]).sum(axis=1).mean()),
        "temperature": temperature,
        "bins": [
            _bin(index, bins, confidence_N[bin_N == index], right_N[bin_N == index])
            for index in np.unique(bin_N).tolist()
        ],
    }


def fit_temperature(logits_NL: ArrayLike, truth_N: Sequence[int]) -> float:
    """Find the temperature by which to divide logits so that the truth is likeliest (Guo et al., 2017).

    Where no such temperature exists, because every text is right or the logits know nothing, it is 1: they stay as they are.
    """
    from scipy.optimize import minimize_scalar

    table_NL = np.asarray(logits_NL, dtype=np.float64)
    true_N = table_NL[np.arange(len(truth_N)), np.asarray(truth_N, dtype=np.int64)]
    everything_right = bool((true_N >= table_NL.max(axis=1, initial=-np.inf)).all())
    nothing_known = float(true_N.sum()) <= float(table_NL.mean(axis=1).sum())
    if everything_right or nothing_known:
        return 1.0

    def surprise(log_temperature: float) -> float:
        scaled_NL = table_NL / np.exp(log_temperature)
        highest_N = scaled_NL.max(axis=1)
        return float(
            (
                highest_N
                + np.log(np.exp(scaled_NL - highest_N[:, None]).sum(axis=1))
                - true_N / np.exp(log_temperature)
            ).mean()
        )

    found = minimize_scalar(surprise, bounds=(-np.log(FURTHEST), np.log(FURTHEST)), method="bounded")
    return float(np.exp(found.x))


def _error(confidence_N: Table, right_N: NDArray[np.bool_], bin_N: NDArray[np.int64]) -> float:
    # Summed gaps of a bin: its number of texts times the distance between mean confidence and share right.
    gaps = np.abs(np.bincount(bin_N, confidence_N - right_N))
    return float(gaps.sum() / max(1, len(bin_N)))


def _bin(index: int, bins: int, confidence_N: Table, right_N: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "low": index / bins,
        "high": (index + 1) / bins,
        "confidence": float(confidence_N.mean()),
        "accuracy": float(right_N.mean()),
        "texts": len(right_N),
    }
