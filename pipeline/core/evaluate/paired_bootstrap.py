"""A paired bootstrap over groups: the figures of two models on the same texts, resampled with the same draws.

Legend: N texts, G groups, S sets of texts (all of them, then each slice), M models (candidate, champion), L
labels, C labels that occur, B resamples, K figures (macro F1 of each set, then F1 of each label that occurs),
R rows: a text once for each set it is in.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import DataRejected
from pipeline.base.tasks.scores import MACRO_F1, ScoreKey
from pipeline.core.evaluate import bootstrap, metrics


@dataclass(frozen=True)
class PairedPredictions:
    """Ground truth and predictions of N texts, as label indices; the texts of one group are dependent.

    With `items` they are indices of answers, which may have several items each.
    """

    ids: Sequence[str]
    truth: Sequence[int]
    candidate: Sequence[int]
    champion: Sequence[int]
    groups: Sequence[Hashable]
    items: metrics.Tallied | None = None

    @property
    def score(self) -> ScoreKey:
        """Return the key of the score that is compared."""
        return self.items.score if self.items else MACRO_F1

    def are_equal(self, one: Sequence[int], other: Sequence[int]) -> list[bool]:
        """Return of which texts two answers are the same."""
        one_N, other_N = np.asarray(one, dtype=np.int64), np.asarray(other, dtype=np.int64)
        equal_N = self.items.are_equal(one_N, other_N) if self.items else one_N == other_N
        return [bool(one) for one in equal_N]

    def ratios(self, tallies: metrics.Array) -> metrics.Values:
        """Return the ratio of each column of tallies: the F1 of a label."""
        return self.items.ratios(tallies) if self.items else metrics.tallied_f1(tallies)

    def support(self, rows: Sequence[int], labels: int) -> NDArray[np.int64]:
        """Return how many of these texts count in each column: those that have a label."""
        truth_R = np.asarray(self.truth, dtype=np.int64)[np.asarray(rows, dtype=np.int64)]
        if self.items is None:
            return np.bincount(truth_R, minlength=labels)
        return self.items.support(truth_R)


@dataclass(frozen=True)
class PairedMetric:
    """One figure of both models, its B resampled differences, and how many groups' counts differ."""

    name: str
    texts: int
    candidate: float
    champion: float
    differences_B: NDArray[np.float64]
    differing_groups: int

    @property
    def difference(self) -> float:
        """Candidate less champion."""
        return self.candidate - self.champion

    @cached_property
    def spread(self) -> float:
        """The standard error of the difference: the standard deviation of its resamples."""
        return float(self.differences_B.std())


def paired_metrics(
    pair: PairedPredictions,
    slices: Mapping[str, Sequence[int]],
    labels: Sequence[str],
    *,
    resamples: int,
    seed: int,
    name: str = "all",
    rows: Sequence[int] | None = None,
) -> list[PairedMetric]:
    """Resample every figure with the same draws; the first is that of all texts, or of `rows` alone.

    Macro F1 of a set is over the labels that its texts have, in every resample and for both models. Equal
    groups and seeds give equal draws, also where `rows` differ. Raises DataRejected where there is no text.
    """
    every = range(len(pair.truth)) if rows is None else rows
    if not len(every):
        raise DataRejected(f"Candidate and champion have no text in common ({name}). Raise split.test.")
    truth_N = np.asarray(pair.truth, dtype=np.int64)
    subsets = {name: members for name, members in slices.items() if 0 < len(members) < len(every)}
    sets = [every, *subsets.values()]
    occurs_SL = np.array([pair.support(members, len(labels)) > 0 for members in sets])
    support_L = pair.support(every, len(labels))
    label_C = np.flatnonzero(support_L[: len(labels)])
    texts_C = support_L[label_C]
    tallies_GSM2L = _tallies(pair, truth_N, sets, labels=len(labels))
    figures_KM = _figures(pair, tallies_GSM2L.sum(axis=0), occurs_SL, label_C)
    sums = bootstrap.bootstrap_sums(tallies_GSM2L, resamples=resamples, seed=seed)
    resampled_BKM = _figures(pair, sums, occurs_SL, label_C)
    differences_BK = resampled_BKM[..., 0] - resampled_BKM[..., 1]
    differing_K = _differing(tallies_GSM2L, label_C)
    names = [name, *subsets, *(f"class={labels[label]}" for label in label_C.tolist())]
    texts = [*map(len, sets), *texts_C.tolist()]
    return [
        PairedMetric(
            names[k],
            texts[k],
            float(figures_KM[k, 0]),
            float(figures_KM[k, 1]),
            differences_BK[:, k],
            differing_K[k],
        )
        for k in range(len(names))
    ]


def _tallies(
    pair: PairedPredictions, truth_N: metrics.Counts, sets: Sequence[Sequence[int]], *, labels: int
) -> metrics.Array:
    names, group_N = np.unique(np.asarray(pair.groups), return_inverse=True)
    text_R = np.concatenate([np.asarray(rows, dtype=np.int64) for rows in sets])
    cell_R = group_N[text_R] * len(sets) + np.repeat(np.arange(len(sets)), [len(rows) for rows in sets])
    cells = len(names) * len(sets)
    count = pair.items.tally_by_group if pair.items else partial(metrics.tally_by_group, labels=labels)
    tallies = [
        count(truth_N[text_R], np.asarray(predicted)[text_R], cell_R, groups=cells)
        for predicted in (pair.candidate, pair.champion)
    ]
    return np.stack([tally.reshape(len(names), len(sets), *tally.shape[1:]) for tally in tallies], axis=2)


def _differing(tallies_GSM2L: metrics.Array, label_C: metrics.Counts) -> list[int]:
    differs_GS2L = tallies_GSM2L[:, :, 0] != tallies_GSM2L[:, :, 1]
    of_sets = differs_GS2L.any(axis=(2, 3)).sum(axis=0)
    of_labels = differs_GS2L[:, 0].any(axis=1)[:, label_C].sum(axis=0)
    return [*of_sets.tolist(), *of_labels.tolist()]


def _figures(
    pair: PairedPredictions, tallies: metrics.Array, occurs_SL: NDArray[np.bool_], label_C: metrics.Counts
) -> metrics.Values:
    """Compute the score of each set and F1 of each label that occurs; ...SxMx2xL to ...KxM."""
    ratios_SML = pair.ratios(tallies)
    f1_CM = np.moveaxis(ratios_SML[..., 0, :, :][..., label_C], -1, -2)
    score_SM = metrics.mean_of_occurring(ratios_SML, occurs_SL[:, None, :])
    return np.concatenate([score_SM, f1_CM], axis=-2)
