"""What turns the logits of independent labels into probabilities and decisions.

Legend: N texts, L labels.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.evaluate.calibration import MAX_FACTOR

Table = NDArray[np.float64]
EVEN = 0.5
# A threshold of 0 or 1 would decide whatever a text says.
LEAST = 1e-3


def fit_set_temperature(logits_NL: Table, truth_NL: NDArray[np.int64]) -> float:
    """Fit the temperature that maximizes the likelihood of every label by itself (Guo et al., 2017).

    It is 1 where none exists: when every decision is right, or the logits carry no information.
    """
    from scipy.optimize import minimize_scalar

    signed_NL = np.where(truth_NL > 0, logits_NL, -logits_NL)
    if (signed_NL > 0).all() or signed_NL.sum() <= 0:
        return 1.0

    def negative_log_likelihood(log_temperature: float) -> float:
        return float(np.logaddexp(0.0, -signed_NL / np.exp(log_temperature)).mean())

    minimum = minimize_scalar(
        negative_log_likelihood, bounds=(-np.log(MAX_FACTOR), np.log(MAX_FACTOR)), method="bounded"
    )
    return float(np.exp(minimum.x))


def best_thresholds(probabilities_NL: Table, truth_NL: NDArray[np.int64]) -> list[float]:
    """Return for each label the threshold with the highest F1, of equal ones the nearest to one half.

    It lies in the middle between two probabilities. A label that no text has keeps one half.
    """
    return [
        _best_threshold(probability_N, truth_N)
        for probability_N, truth_N in zip(probabilities_NL.T, truth_NL.T, strict=True)
    ]


def _best_threshold(probability_N: Table, truth_N: NDArray[np.int64]) -> float:
    if not truth_N.any():
        return EVEN
    order_N = np.argsort(-probability_N, kind="stable")
    sorted_N = probability_N[order_N]
    hits_N = np.cumsum(truth_N[order_N])
    f1_N = 2.0 * hits_N / (np.arange(1, len(order_N) + 1) + truth_N.sum())
    below_N = np.append(sorted_N[1:], 0.0)
    # Between equal probabilities there is no threshold.
    f1_N = np.where(below_N < sorted_N, f1_N, -1.0)
    # Where one half lies between two probabilities, it is the threshold.
    between_N = np.where((below_N < EVEN) & (sorted_N >= EVEN), EVEN, (sorted_N + below_N) / 2)
    best = np.flatnonzero(f1_N >= f1_N.max() - 1e-12)
    nearest = best[np.argmin(np.abs(between_N[best] - EVEN))]
    return float(np.clip(between_N[nearest], LEAST, 1 - LEAST))
