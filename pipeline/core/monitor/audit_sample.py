"""How many predictions are drawn to be labelled, how many labels a share needs, how far people agree."""

import math
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

HOURS_A_DAY = 24
# With fewer labels the errors seen so far say less than the model's own probabilities do.
MIN_LABELS = 100


class LabelAgreement(TypedDict):
    """How far two people agree: the share of equal labels with its interval, and Cohen's kappa (1960).

    `kappa` is None where each of them gave one label only, so that chance alone makes them agree.
    """

    texts: int
    share: float
    low: float
    high: float
    kappa: float | None


class Agreement(LabelAgreement):
    """How far two people agree about whole answers, and `labels` about whether a text has each label.

    Where a text has one label, the second says no more than the first, and is left out.
    """

    labels: NotRequired[dict[str, LabelAgreement]]


def hourly_size(texts: int, *, per_day: float, day: int, hours: int) -> float:
    """Return how many of an hour's texts to draw, as an expectation, so that about `per_day` are drawn a day.

    `day` is the number of texts in the last `hours` hours, this one included. Each text of a topic then has
    about the same chance, whatever the hour; drawn or not, nothing but volume decides.
    """
    expected_day = day * HOURS_A_DAY / hours
    return min(float(texts), per_day * texts / expected_day) if texts else 0.0


def whole_size(expectation: float, chance: float) -> int:
    """Round an expectation up or down so that it stays the expectation; `chance` is uniform in [0, 1)."""
    return math.floor(expectation) + (chance < expectation % 1)


def labels_needed(
    probabilities_NL: NDArray[np.float64],
    weights_N: NDArray[np.float64],
    truth_NL: NDArray[np.float64] | None,
    *,
    width: float,
    confidence: float,
) -> int:
    """Return how many labels give the share of every label to ± `width`, by prediction-powered inference.

    Over n labels its variance is that of truth less probability, over n (Angelopoulos et al., 2023): by the
    model's own probabilities p(1-p), or by the errors seen where there are MIN_LABELS rows of `truth_NL`, one
    column a label; rows without a label are NaN. Without any text the worst case holds, which is that of a
    simple random sample.
    """
    variance = 0.25
    if len(probabilities_NL):
        variance = _variance(probabilities_NL, weights_N, truth_NL)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return math.ceil(min(variance, 0.25) * (z / width) ** 2)


def _variance(
    probabilities_NL: NDArray[np.float64],
    weights_N: NDArray[np.float64],
    truth_NL: NDArray[np.float64] | None,
) -> float:
    if truth_NL is not None:
        known_N = ~np.isnan(truth_NL).any(axis=1)
        if known_N.sum() >= MIN_LABELS:
            errors_NL = truth_NL[known_N] - probabilities_NL[known_N]
            mean_L = np.average(errors_NL, axis=0, weights=weights_N[known_N])
            seen_L = np.average((errors_NL - mean_L) ** 2, axis=0, weights=weights_N[known_N])
            return float(seen_L.max())
    expected_NL = probabilities_NL * (1 - probabilities_NL)
    return float(np.average(expected_NL, axis=0, weights=weights_N).max())


def agreement(pairs: Sequence[tuple[str, str]], *, confidence: float) -> Agreement | None:
    """Compare two people's labels of the same texts; None without any. The interval is Wilson's (1927)."""
    if not pairs:
        return None
    n, equal = len(pairs), sum(one == other for one, other in pairs)
    share, (low, high) = equal / n, wilson_interval(equal, n, confidence=confidence)
    ones, others = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    by_chance = sum(ones[label] * others[label] for label in ones) / n**2
    return {
        "texts": n,
        "share": share,
        "low": low,
        "high": high,
        "kappa": None if by_chance == 1 else (share - by_chance) / (1 - by_chance),
    }


def wilson_interval(successes: float, texts: float, *, confidence: float) -> tuple[float, float]:
    """Compute the two-sided score interval of a share (Wilson, 1927)."""
    half_width = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = successes / texts, half_width**2 / texts
    centre = (share + weight / 2) / (1 + weight)
    half = half_width * math.sqrt(share * (1 - share) / texts + weight / texts / 4) / (1 + weight)
    # At 0 and 1 the interval ends there, which rounding must not undo.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
