"""Targets that share a text among labels: by its single ratings, or by the distance on a scale.

Shapes: L labels.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config.table_section import RatingRule

# Of the mean of raters who all agree: what they would say again is not known better.
MIN_STANDARD_ERROR = 0.05


def label_probabilities(ratings: Sequence[float], rule: RatingRule) -> tuple[float, float, float]:
    """Return the probability that the mean of all possible raters is negative, neutral or positive.

    The mean of two ratings or more is taken as normal, with the standard error of the ratings.
    """
    count = len(ratings)
    assert count >= 2, "one rating has no standard error"
    mean = math.fsum(ratings) / count
    variance = math.fsum((rating - mean) ** 2 for rating in ratings) / (count - 1)
    error = max(math.sqrt(variance / count), MIN_STANDARD_ERROR)
    negative = _normal((rule.negative_to - mean) / error)
    positive = _normal((mean - rule.positive_from) / error)
    return negative, 1 - negative - positive, positive


def _normal(value: float) -> float:
    return 0.5 * (1 + math.erf(value / math.sqrt(2)))


def ordinal_targets(labels: int, sharpness: float) -> NDArray[np.float32]:
    """Return the target of each label given each true one: exp(-sharpness * steps), normalized; LxL.

    Diaz & Marathe, 2019, "Soft labels for ordinal regression".
    """
    places = np.arange(labels)
    weights_LL = np.exp(-sharpness * np.abs(places[:, None] - places[None, :]))
    return np.asarray(weights_LL / weights_LL.sum(axis=1, keepdims=True), dtype=np.float32)
