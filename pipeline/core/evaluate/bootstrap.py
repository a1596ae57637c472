"""Percentile bootstrap over groups (Efron and Tibshirani, 1993; Field and Welsh, 2007, for whole groups).

Texts of one group (a review, an article) resemble each other; resampling single texts would make intervals
too narrow.
Legend: B resamples, G groups, L labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.evaluate import metrics
from pipeline.core.evaluate.metrics import Counts, Values

CELLS_AT_ONCE = 4_000_000  # weights held in memory together: 32 MB


@dataclass(frozen=True)
class BootstrapConfig:
    """How many resamples are drawn, the confidence of the interval, and the seed of the draws."""

    resamples: int
    confidence: float
    seed: int


def bootstrap_weights(groups: int, *, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draw how often each group occurs in each resample, in blocks; together BxG, every row sums to G."""
    generator = np.random.default_rng(seed)
    rows = max(1, CELLS_AT_ONCE // groups)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = generator.integers(groups, size=(count, groups)) + np.arange(count)[:, None] * groups
        yield np.bincount(drawn.ravel(), minlength=count * groups).reshape(count, groups).astype(np.float64)


def bootstrap_sums(counts: Counts | Values, *, resamples: int, seed: int) -> NDArray[np.float64]:
    """Resample groups and sum their counts; Gx... to Bx....

    All counts of one array are resampled with the same draws, so two models on the same texts are paired.
    """
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    blocks = [block @ flat for block in bootstrap_weights(len(counts), resamples=resamples, seed=seed)]
    return np.concatenate(blocks).reshape(-1, *counts.shape[1:])


def percentile_interval(values_B: Values, *, confidence: float) -> tuple[float, float]:
    """Return the two-sided interval that holds this share of the resampled values."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values_B, [tail, 1 - tail])
    return float(low), float(high)


def metric_intervals(counts_GLL: Counts, cfg: BootstrapConfig) -> dict[str, list[float]]:
    """Compute the confidence intervals [low, high] of macro F1 and accuracy."""
    counts_BLL = bootstrap_sums(counts_GLL, resamples=cfg.resamples, seed=cfg.seed)
    occurs_L = counts_GLL.sum(axis=(0, 2)) > 0
    scores = {"macro_f1": metrics.macro_f1(counts_BLL, occurs_L), "accuracy": metrics.accuracy(counts_BLL)}
    return {
        name: list(percentile_interval(values_B, confidence=cfg.confidence))
        for name, values_B in scores.items()
    }
