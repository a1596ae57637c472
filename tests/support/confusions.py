"""Simulated models with known error rates, and confusions sampled from them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.evaluate.bootstrap import BootstrapConfig

Array = NDArray[Any]
LABELS = ("negative", "neutral", "positive")
TEST_SHARES = (0.35, 0.35, 0.3)  # shares of the labels among the test texts
# Rows are true labels, columns predicted ones.
GOOD = np.array([[0.85, 0.10, 0.05], [0.12, 0.76, 0.12], [0.04, 0.10, 0.86]])
OTHER = np.array([[0.75, 0.20, 0.05], [0.06, 0.88, 0.06], [0.10, 0.15, 0.75]])
WEAK = np.array([[0.60, 0.25, 0.15], [0.25, 0.50, 0.25], [0.15, 0.30, 0.55]])
GOOD_COUNTS, OTHER_COUNTS = np.rint(GOOD * 100), np.rint(OTHER * 100)


def bootstrap_settings(seed: int, *, resamples: int = 1000) -> BootstrapConfig:
    """Return bootstrap settings with a confidence of 95 %."""
    return BootstrapConfig(resamples=resamples, confidence=0.95, seed=seed)


def sample_confusion(
    rates: Array, texts: int, random: np.random.Generator, shares: tuple[float, ...] = TEST_SHARES
) -> Array:
    """Draw the confusion of a model with these error rates on so many texts."""
    counts = random.multinomial(texts, shares)
    return np.array([random.multinomial(count, row) for count, row in zip(counts, rates, strict=True)])
