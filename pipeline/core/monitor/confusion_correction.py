"""The correction of predicted shares by the confusion on a release's test texts; a bridge needs it.

A model that takes every tenth neutral text for a positive one counts too many positive texts. The confusion
on its test texts shows what it predicts for the texts of each label, so the counts can be corrected (Rogan
and Gladen, 1978; Forman, 2008; Lipton, Wang and Smola, 2018). It holds where the model makes the same errors
as on its test texts, which topics do not: prevalence is estimated from audit labels instead.

Legend: B draws, L labels; `confusion_LL[t, g]` counts test texts of label t that were predicted to be g;
`solved` shares are solutions of the linear system, which may lie below 0 or above 1.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Expectation maximisation ends after so many steps, or once a step moves no share by this much.
EM_STEPS, EM_TOLERANCE = 2000, 1e-9


@dataclass(frozen=True)
class Correction:
    """The correction of predicted shares by a release's confusion (LxL counts) on its test texts."""

    counts_LL: Array
    labels: tuple[str, ...]
    confidence: float

    def __post_init__(self) -> None:
        assert self.counts_LL.shape == (len(self.labels), len(self.labels))

    @cached_property
    def rates_LL(self) -> Array:
        """Compute the share of each prediction among the texts of a label."""
        rates_LL: Array = self.counts_LL / self.counts_LL.sum(axis=1, keepdims=True)
        return rates_LL

    @cached_property
    def fault(self) -> str | None:
        """Return why no correction is possible; None where one is.

        The confusion must be significantly non-singular: its smallest singular value is compared with its own
        error, since the interval of a quotient is unbounded where the divisor may be 0 (Fieller, 1954).
        """
        texts_L = self.counts_LL.sum(axis=1)
        if absent := [label for label, texts in zip(self.labels, texts_L, strict=True) if not texts]:
            return f"no test text has the label {', '.join(absent)}, so the errors on such texts are unknown"
        left_LL, singular_L, right_LL = np.linalg.svd(self.rates_LL)
        mean_L = self.rates_LL @ right_LL[-1]
        variance_L = np.maximum(self.rates_LL @ right_LL[-1] ** 2 - mean_L**2, 0) / texts_L
        error = math.sqrt(float(left_LL[:, -1] ** 2 @ variance_L))
        if singular_L[-1] <= max(standard_errors(self.confidence) * error, 1e-9):
            return "the model does not separate its labels on the test texts, so no correction is possible"
        return None

    def solve(self, predicted: Array) -> Array:
        """Solve confusion^T p = q for rows of predicted shares; with a fault return them unchanged."""
        return predicted if self.fault else predicted @ np.linalg.inv(self.rates_LL)

    def share(self, predicted_L: Array) -> Array:
        """Compute the likeliest shares, by expectation maximisation where the solution leaves the simplex."""
        solved_L = self.solve(predicted_L)
        if self.fault or solved_L.min() >= 0:
            return solved_L
        share_L: Array = np.full(len(solved_L), 1 / len(solved_L))
        for _ in range(EM_STEPS):
            expected_L = share_L @ self.rates_LL
            ratio_L = np.divide(predicted_L, expected_L, out=np.zeros_like(predicted_L), where=expected_L > 0)
            before_L, share_L = share_L, share_L * (self.rates_LL @ ratio_L)
            if np.abs(share_L - before_L).max() < EM_TOLERANCE:
                break
        return share_L

    def model_covariance(self, predicted_L: Array, resamples: int, random: np.random.Generator) -> Array:
        """Compute the covariance of the solved shares due to the sample of test texts alone; LxL."""
        rates_BLL = _dirichlet(self.counts_LL, resamples, random)
        solved_BL = self._solve_pairs(np.broadcast_to(predicted_L, rates_BLL.shape[:2]), rates_BLL)
        return np.cov(solved_BL, rowvar=False).reshape(len(predicted_L), -1)

    def _solve_pairs(self, predicted_BL: Array, rates_BLL: Array) -> Array:
        solved_BL1 = np.linalg.solve(rates_BLL.swapaxes(1, 2), predicted_BL[..., None])
        solved_BL: Array = solved_BL1[..., 0].astype(np.float64)
        return solved_BL


def _dirichlet(counts: Array, resamples: int, random: np.random.Generator) -> Array:
    # A Dirichlet draw is gamma draws over their sum.
    draws: Array = random.standard_gamma(counts + 1 / counts.shape[-1], size=(resamples, *counts.shape))
    draws /= draws.sum(axis=-1, keepdims=True)
    return draws


def interval(draws_BL: Array, confidence: float) -> tuple[Array, Array]:
    """Compute the two-sided percentile interval of each label."""
    tail = (1 - confidence) / 2
    low_L, high_L = np.quantile(draws_BL, [tail, 1 - tail], axis=0)
    return low_L, high_L


def standard_errors(confidence: float) -> float:
    """Return how many standard errors the two-sided interval of a normal variable extends to either side."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
