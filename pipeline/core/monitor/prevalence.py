"""Prevalence: the share of each label among the texts of a window, corrected for the model's errors.

A model that takes every tenth neutral text for a positive one counts too many positive texts. The confusion
on its test texts shows what it predicts for the texts of each label, so the counts can be corrected (Rogan
and Gladen, 1978; Forman, 2008; Lipton, Wang and Smola, 2018). The interval holds both errors: that of the
window, which is a sample, and that of the confusion, which is one too. Two limits. The model must make the
same errors now as on its test texts; a drift of the texts within a label breaks that. And test texts count as
independent, though those of one review resemble each other.

Legend: B draws, L labels, N texts; `confusion_LL[t, g]` counts test texts of label t that were predicted to
be g; `solved` shares are solutions of the linear system, which may lie below 0 or above 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.base.documents import PrevalenceEntry
from pipeline.core.evaluate.bootstrap import BootstrapConfig

Array = NDArray[np.float64]
# Expectation maximisation ends after so many steps, or once a step moves no share by this much.
EM_STEPS, EM_TOLERANCE = 2000, 1e-9


def estimate_prevalence(
    predicted_L: ArrayLike, confusion_LL: ArrayLike, labels: Sequence[str], bootstrap: BootstrapConfig
) -> dict[str, PrevalenceEntry] | None:
    """Estimate the share of each label from counts of predictions; None where there are none.

    Where the confusion allows no correction, the raw share stands with an interval from 0 to 1, and `why`
    gives the reason.

    The interval is that of the solutions for redrawn predictions and redrawn rows of the confusion, each from
    a Dirichlet distribution with the weight of one text spread over the labels (Perks, 1947). They are
    clipped to [0, 1] only in the end: clipped one by one they would pile up on the border, and cover too
    little beside it.
    """
    counts_L = np.asarray(predicted_L, dtype=np.float64)
    assert counts_L.shape == (len(labels),)
    if not counts_L.sum():
        return None
    correction = Correction(np.asarray(confusion_LL, dtype=np.float64), tuple(labels), bootstrap.confidence)
    raw_L = counts_L / counts_L.sum()
    if correction.fault:
        return _uncorrected(labels, raw_L, correction.fault, bootstrap.confidence)
    draws_BL = correction.redraw(counts_L, resamples=bootstrap.resamples, seed=bootstrap.seed)
    low_L, high_L = interval(draws_BL, bootstrap.confidence)
    solved_L, share_L = correction.solve(raw_L), correction.share(raw_L)
    # Where even the interval lies beyond the border, half of the error on that side stays: it is no proof of
    # a share of exactly 0.
    lower_L = np.clip(np.minimum(low_L, share_L - (solved_L - low_L) / 2), 0, 1)
    upper_L = np.clip(np.maximum(high_L, share_L + (high_L - solved_L) / 2), 0, 1)
    spread_L = (high_L - low_L) / 2 / standard_errors(bootstrap.confidence)
    noise_L = correction.noise(counts_L)
    return {
        label: {
            "raw": float(raw_L[row]),
            "share": float(share_L[row]),
            "low": float(lower_L[row]),
            "high": float(upper_L[row]),
            "spread": float(spread_L[row]),
            "noise": float(noise_L[row]),
            "corrected": True,
        }
        for row, label in enumerate(labels)
    }


def _uncorrected(
    labels: Sequence[str], raw_L: Array, fault: str, confidence: float
) -> dict[str, PrevalenceEntry]:
    spread = 0.5 / standard_errors(confidence)
    return {
        label: {
            "raw": float(raw),
            "share": float(raw),
            "low": 0.0,
            "high": 1.0,
            "spread": spread,
            "noise": spread,
            "corrected": False,
            "why": fault,
        }
        for label, raw in zip(labels, raw_L, strict=True)
    }


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

    def redraw(self, counts_L: Array, *, resamples: int, seed: int) -> Array:
        """Draw predictions and confusions anew and solve each pair; BxL."""
        random = np.random.default_rng(seed)
        return self._solve_pairs(
            _dirichlet(counts_L, resamples, random), _dirichlet(self.counts_LL, resamples, random)
        )

    def model_covariance(self, predicted_L: Array, resamples: int, random: np.random.Generator) -> Array:
        """Compute the covariance of the solved shares due to the sample of test texts alone; LxL."""
        rates_BLL = _dirichlet(self.counts_LL, resamples, random)
        solved_BL = self._solve_pairs(np.broadcast_to(predicted_L, rates_BLL.shape[:2]), rates_BLL)
        return np.cov(solved_BL, rowvar=False).reshape(len(predicted_L), -1)

    def noise(self, counts_L: Array) -> Array:
        """Compute the standard error of the solved shares due to the sample of texts alone."""
        predicted_L = (counts_L + 1 / len(counts_L)) / (counts_L.sum() + 1)
        inverse_LL = np.linalg.inv(self.rates_LL)
        variance_L = predicted_L @ inverse_LL**2 - (predicted_L @ inverse_LL) ** 2
        noise_L: Array = np.sqrt(np.maximum(variance_L, 0) / counts_L.sum())
        return noise_L

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
