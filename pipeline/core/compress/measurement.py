"""Measure a variant against the teacher on the same texts: each figure with its one-sided bound.

Legend: N texts, G groups, B resamples.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import CompressionBudget
from pipeline.base.documents import SliceDropRecord, VariantRecipe
from pipeline.base.tasks.scores import MACRO_F1, ScoreKey
from pipeline.core.compress.speed import Speed
from pipeline.core.evaluate import bootstrap, metrics

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class BoundedFigure:
    """A figure of a sample, and its bound for all texts on the side that errs against the variant."""

    value: float
    bound: float


@dataclass(frozen=True)
class TeacherTexts:
    """N labelled texts with the teacher's predictions, as label indices; `slices` hold rows of texts.

    With `items` they are indices of answers, which may have several items each.
    """

    truth_N: Indices
    teacher_N: Indices
    groups: Sequence[str]
    slices: Mapping[str, Sequence[int]]
    labels: int
    items: metrics.Tallied | None = None

    @property
    def is_share(self) -> bool:
        """Return whether the score lies in [0, 1]."""
        return self.items is None or self.items.is_share

    def ratios(self, tallies: metrics.Array) -> metrics.Values:
        """Return the ratio of each column of tallies: the F1 of a label."""
        return self.items.ratios(tallies) if self.items else metrics.tallied_f1(tallies)

    def are_equal(self, predicted_N: Indices) -> NDArray[np.bool_]:
        """Return for which texts the teacher's answer is the same."""
        if self.items is None:
            return np.asarray(predicted_N == self.teacher_N)
        return self.items.are_equal(predicted_N, self.teacher_N)

    def tally(
        self, truth_R: Indices, predicted_R: Indices, group_R: Indices, *, groups: int
    ) -> metrics.Array:
        """Return the tally of each group by its number; Gx2xL."""
        if self.items is None:
            return metrics.tally_by_group(truth_R, predicted_R, group_R, groups=groups, labels=self.labels)
        return self.items.tally_by_group(truth_R, predicted_R, group_R, groups=groups)

    def occurring(self, truth_R: Indices) -> Indices:
        """Return the labels that are true of these texts."""
        if self.items is None:
            return np.unique(truth_R)
        return np.flatnonzero(self.items.support(truth_R))

    def score(self, predicted_N: Indices) -> float:
        """Compute the score of predictions of all texts: macro F1 of labels."""
        one_group = np.zeros(len(self.truth_N), dtype=np.int64)
        tally_2L = self.tally(self.truth_N, predicted_N, one_group, groups=1)[0]
        ratios_L = self.ratios(tally_2L)
        occurs_L = np.isin(np.arange(len(ratios_L)), self.occurring(self.truth_N))
        return float(metrics.mean_of_occurring(ratios_L, occurs_L))


@dataclass(frozen=True)
class VariantQuality:
    """Hold how far a variant's predictions are from the teacher's; a drop is the teacher's score less its.

    `worst_slice` is the slice whose drop has the highest bound, all texts where there are too few for one.
    `key` is that of the score in documents.
    """

    score: float
    drop: BoundedFigure
    worst_slice: SliceDropRecord
    agreement: BoundedFigure
    key: ScoreKey = MACRO_F1


@dataclass(frozen=True)
class MeasuredVariant:
    """Hold the measurements of a variant on the half of the validation split that chooses."""

    name: str
    recipe: VariantRecipe
    parameters: int
    megabytes: float
    quality: VariantQuality
    speed: Speed

    @property
    def figures(self) -> dict[str, float]:
        """Return the figures that equal work repeats: no timings."""
        quality = self.quality
        return {
            quality.key: float(quality.score),
            f"{quality.key}_drop": float(quality.drop.value),
            f"{quality.key}_drop_bound": float(quality.drop.bound),
            "agreement": float(quality.agreement.value),
            "megabytes": float(self.megabytes),
        }


def measure_quality(
    texts: TeacherTexts, predicted_N: Indices, budget: CompressionBudget, *, seed: int
) -> VariantQuality:
    """Measure the predictions of a variant; equal seeds resample the same groups for every variant."""

    def drop(rows: Sequence[int]) -> BoundedFigure:
        return _drop(texts, predicted_N, np.asarray(rows, dtype=np.int64), budget, seed)

    everything = range(len(texts.truth_N))
    overall = drop(everything)
    drops = {name: drop(rows) for name, rows in texts.slices.items()} or {"all texts": overall}
    worst = max(drops, key=lambda name: drops[name].bound)
    return VariantQuality(
        score=texts.score(predicted_N),
        drop=overall,
        worst_slice={"name": worst, "drop": drops[worst].value, "bound": drops[worst].bound},
        agreement=_agreement(texts, predicted_N, budget, seed),
        key=texts.items.score if texts.items else MACRO_F1,
    )


def _drop(
    texts: TeacherTexts, predicted_N: Indices, row_R: Indices, budget: CompressionBudget, seed: int
) -> BoundedFigure:
    truth_R = texts.truth_N[row_R]
    names, group_R = np.unique(np.asarray(texts.groups)[row_R], return_inverse=True)
    tallies_G22L = np.stack(
        [
            texts.tally(truth_R, labels_N[row_R], group_R, groups=len(names))
            for labels_N in (texts.teacher_N, predicted_N)
        ],
        axis=1,
    )
    # Only labels that occur: one that a model alone predicts would change what the mean is taken over.
    occurring = texts.occurring(truth_R)

    def drops(tallies: metrics.Array) -> NDArray[np.float64]:
        scores = texts.ratios(tallies)[..., occurring].mean(axis=-1)
        return np.asarray(scores[..., 0] - scores[..., 1])

    resampled_B = drops(bootstrap.bootstrap_sums(tallies_G22L, resamples=budget.resamples, seed=seed))
    value = float(drops(tallies_G22L.sum(axis=0)))
    reach = _reach(resampled_B, groups=len(names), budget=budget)
    if not texts.is_share:
        # Every change of the model changes every text's, so none is hidden where none was drawn.
        return BoundedFigure(value, value + reach)
    return BoundedFigure(value, min(1.0, max(value + reach, _rule_of_three(len(row_R), budget))))


def _agreement(
    texts: TeacherTexts, predicted_N: Indices, budget: CompressionBudget, seed: int
) -> BoundedFigure:
    names, group_N = np.unique(np.asarray(texts.groups), return_inverse=True)
    agrees_N = texts.are_equal(predicted_N)
    counts_G2 = np.stack([np.bincount(group_N, weights=agrees_N), np.bincount(group_N)], axis=1)
    sums_B2 = bootstrap.bootstrap_sums(counts_G2, resamples=budget.resamples, seed=seed)
    value = float(agrees_N.mean())
    reach = _reach(1 - sums_B2[:, 0] / sums_B2[:, 1], groups=len(names), budget=budget)
    return BoundedFigure(value, max(0.0, min(value - reach, 1 - _rule_of_three(len(agrees_N), budget))))


def _reach(resampled_B: NDArray[np.float64], *, groups: int, budget: CompressionBudget) -> float:
    """Return how far the bound lies above the figure.

    It is a bootstrap's standard error times Student's t: with few groups the percentiles of a bootstrap are
    too narrow (Efron and Tibshirani, 1993, chapter 12), and one group says nothing about others. Where rare
    changes make the figure skewed, a sample with few of them has too small an error as well; the term of
    Johnson (1978) makes up for it.
    """
    from scipy.special import stdtrit

    if groups < 2:
        return math.inf
    deviation_B = resampled_B - resampled_B.mean()
    variance = float(np.square(deviation_B).mean())
    if not variance:
        return 0.0
    quantile = float(stdtrit(groups - 1, budget.confidence))
    skew = max(0.0, float((deviation_B**3).mean())) / variance
    return quantile * math.sqrt(variance * groups / (groups - 1)) + skew * (1 + 2 * quantile**2) / 6


def _rule_of_three(texts: int, budget: CompressionBudget) -> float:
    """Return the share of all texts that may change although none of these did (Hanley and
    Lippman-Hand, 1983, the rule of three)."""
    return -math.log(1 - budget.confidence) / texts
