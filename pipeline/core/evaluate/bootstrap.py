"""Percentile bootstrap over groups (Efron and Tibshirani, 1993; Field and Welsh, 2007, for whole groups).

Texts of one group (a review, an article) resemble each other; drawing single texts would promise too much certainty.
Legend: B resamples, G groups, L labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.evaluate import metrics
from pipeline.core.evaluate.metrics import Counts, Figures

CELLS_AT_ONCE = 4_000_000  # weights held in memory together: 32 MB


@dataclass(frozen=True)
class BootstrapConfig:
    """How many resamples are drawn, the confidence of the interval, and the seed of the draws."""

    resamples: int
    confidence: float
    seed: int


def bootstrap_weights(groups: int, *, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draw how often each group stands in each resample, in blocks; together BxG, every row sums to G."""
    random = np.random.default_rng(seed)
    rows = max(1, CELLS_AT_ONCE // groups)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = random.integers(groups, size=(count, groups)) + np.arange(count)[:, None] * groups
        yield np.bincount(drawn.ravel(), minlength=count * groups).reshape(count, groups).astype(np.float64)


def bootstrap_sums(counts: Counts, *, resamples: int, seed: int) -> NDArray[np.float64]:
    """Resample groups and add up their counts of whatever kind; Gx... to Bx....

    All that stands in one array is resampled with the same draws, so two models on the same texts are resampled in pairs.
    """
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    blocks = [block @ flat for block in bootstrap_weights(len(counts), resamples=resamples, seed=seed)]
    return np.concatenate(blocks).reshape(-1, *counts.shape[1:])


def percentile_interval(values_B: Figures, *, confidence: float) -> tuple[float, float]:
    """Give the two-sided interval that holds this share of the resampled values."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values_B, [tail, 1 - tail])
    return float(low), float(high)


def metric_intervals(
    counts_GLL: Counts, *, resamples: int, confidence: float, seed: int
) -> dict[str, list[float]]:
    """Give the intervals of macro F1 and accuracy."""
    counts_BLL = bootstrap_sums(counts_GLL, resamples=resamples, seed=seed)
    figures = {"macro_f1": metrics.macro_f1(counts_BLL), "accuracy": metrics.accuracy(counts_BLL)}
    return {
        name: list(percentile_interval(values_B, confidence=confidence)) for name, values_B in figures.items()
    }
