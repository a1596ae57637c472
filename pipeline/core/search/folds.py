"""Folds of texts by group, and the mean of a score over them with its interval."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.base.errors import DataRejected


@dataclass(frozen=True)
class MeanOverFolds:
    """Hold a mean, and the interval that its true value is in with the confidence that was asked for.

    One score has no interval.
    """

    mean: float
    low: float | None
    high: float | None


def assign_folds(groups: Sequence[str], *, folds: int, seed: int) -> list[int]:
    """Return the fold of each text, from 0: groups stay whole, and folds hold about equally many texts.

    Groups are taken from the largest to the smallest, equal ones in the order of a hash. Raises DataRejected
    where there are fewer groups than folds.
    """
    sizes = Counter(groups)
    if len(sizes) < folds:
        raise DataRejected(
            f"{folds} folds need as many groups of texts, and train and valid hold {len(sizes)}. Collect "
            f"more texts, or write `folds: {max(2, len(sizes))}` under `tune` in params.yaml."
        )
    held = [0] * folds
    fold_of = {}
    for group in sorted(sizes, key=lambda group: (-sizes[group], _place(group, seed))):
        fold_of[group] = held.index(min(held))
        held[fold_of[group]] += sizes[group]
    return [fold_of[group] for group in groups]


def mean_over_folds(scores: Sequence[float], *, folds: int, confidence: float) -> MeanOverFolds:
    """Return the mean of the scores of some of the folds, with an interval for training anew on other texts.

    The models of two folds share most of their texts, so the variance of the mean is 1/n + 1/(folds - 1)
    times that of the scores (Nadeau and Bengio, 2003).
    """
    from scipy import stats

    values = np.asarray(scores, dtype=np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return MeanOverFolds(mean, None, None)
    variance = float(values.var(ddof=1)) * (1 / len(values) + 1 / (folds - 1))
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * variance**0.5
    return MeanOverFolds(mean, mean - half, mean + half)


def _place(group: str, seed: int) -> bytes:
    return hashlib.sha256(f"fold\0{seed}\0{group}".encode()).digest()
