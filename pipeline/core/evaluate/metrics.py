"""Confusion counts of ground truth and prediction, and the metrics computed from them.

Every metric is a function of confusion counts, so it serves one matrix and a stack of resampled ones alike.
For F1 alone a tally is enough: true positives and the sum of support and predictions of each label, which
with many labels is far less to resample.
Legend: L labels, G groups; `counts_LL[t, p]` texts of label t have prediction p; `tally_2L` as above.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.base.documents import LabelScores, SubsetScores
from pipeline.base.tasks.scores import MACRO_F1, ScoreKey

Counts = NDArray[np.int64]
Values = NDArray[np.float64]
Array = NDArray[Any]


def confusion(truth: Sequence[int], predicted: Sequence[int], *, labels: int) -> Counts:
    """Count every pair of truth and prediction; LxL."""
    return confusion_by_group(truth, predicted, [0] * len(truth), labels=labels).sum(axis=0)  # type: ignore[no-any-return]


def confusion_by_group(
    truth: Sequence[int], predicted: Sequence[int], groups: Sequence[object], *, labels: int
) -> Counts:
    """Count every pair of truth and prediction in each group; GxLxL, groups in rising order."""
    assert len(truth) == len(predicted) == len(groups)
    if not len(truth):
        return np.zeros((0, labels, labels), dtype=np.int64)
    names, group_N = np.unique(np.asarray(groups), return_inverse=True)
    cell_N = (group_N.astype(np.int64) * labels + np.asarray(truth, dtype=np.int64)) * labels + np.asarray(
        predicted, dtype=np.int64
    )
    return np.bincount(cell_N, minlength=len(names) * labels * labels).reshape(len(names), labels, labels)


def tally(counts: Array) -> Array:
    """Return the true positives of each label, and support plus predictions; ...xLxL to ...x2xL."""
    return np.stack(
        [np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1) + counts.sum(axis=-2)], axis=-2
    )


class Tallied(Protocol):
    """Describe A answers whose score is a mean of ratios: of two sums over texts, for each of L columns.

    `names` are the answers for people, `score` is the key of the score in documents. A score with
    `is_share` lies in [0, 1], so that what a change of one text can do to it is bounded.
    """

    @property
    def names(self) -> Sequence[str]:
        """Return the name of each answer."""

    @property
    def score(self) -> ScoreKey:
        """Return the key of the score."""

    @property
    def is_share(self) -> bool:
        """Return whether the score lies in [0, 1]."""

    def support(self, truth_R: Counts) -> Counts:
        """Return how many texts count in each column; L."""

    def are_equal(self, one_N: Counts, other_N: Counts) -> NDArray[np.bool_]:
        """Return of which texts two answers are the same."""

    def tally_by_group(self, truth_N: Counts, predicted_N: Counts, group_N: Counts, *, groups: int) -> Array:
        """Return the tally of each group by its number; Gx2xL."""

    def ratios(self, tallies: Array) -> Values:
        """Return the ratio of each column; ...x2xL to ...xL."""


@dataclass(frozen=True)
class AnswerItems:
    """Hold the items of A answers: a text may have several labels, or one label in several places.

    An item is the index of its label, and what tells it from other items of that label.
    """

    items: tuple[frozenset[tuple[int, Hashable]], ...]
    labels: int
    names: tuple[str, ...]
    score: ScoreKey = MACRO_F1
    is_share: bool = True

    def support(self, truth_R: Counts) -> Counts:
        """Return how often each label is true of these texts."""
        return np.asarray(self.sizes_AL[truth_R].sum(axis=0))

    def are_equal(self, one_N: Counts, other_N: Counts) -> NDArray[np.bool_]:
        """Return of which texts two answers are the same."""
        return np.asarray(one_N == other_N)

    def ratios(self, tallies: Array) -> Values:
        """Return the F1 of each label."""
        return tallied_f1(tallies)

    @cached_property
    def sizes_AL(self) -> Counts:
        """Return how many items of each label an answer has."""
        return np.stack([_items_by_label(one, self.labels) for one in self.items])

    def shared(self, truth_N: Counts, predicted_N: Counts) -> Counts:
        """Return how many items of each label truth and prediction have in common; NxL."""
        pairs_P2, pair_N = np.unique(np.stack([truth_N, predicted_N], axis=1), axis=0, return_inverse=True)
        both = [self.items[truth] & self.items[predicted] for truth, predicted in pairs_P2.tolist()]
        shared_PL = np.array([_items_by_label(one, self.labels) for one in both], dtype=np.int64)
        return shared_PL.reshape(len(both), self.labels)[pair_N.reshape(-1)]

    def tally_by_group(self, truth_N: Counts, predicted_N: Counts, group_N: Counts, *, groups: int) -> Counts:
        """Return the tally of each group by its number; Gx2xL."""
        totals_NL = self.sizes_AL[truth_N] + self.sizes_AL[predicted_N]
        tallies_G2L = np.zeros((groups, 2, self.labels), dtype=np.int64)
        np.add.at(tallies_G2L, group_N, np.stack([self.shared(truth_N, predicted_N), totals_NL], axis=1))
        return tallies_G2L


def _items_by_label(items: Collection[tuple[int, Hashable]], labels: int) -> Counts:
    return np.bincount(np.array([label for label, _ in items], dtype=np.int64), minlength=labels)


def tally_by_group(
    truth_N: Counts, predicted_N: Counts, group_N: Counts, *, groups: int, labels: int
) -> Counts:
    """Return the tally of each group by its number; Gx2xL."""

    def counted(rows_N: Array, label_N: Counts) -> Counts:
        cell_N = group_N[rows_N] * labels + label_N[rows_N]
        return np.bincount(cell_N, minlength=groups * labels).reshape(groups, labels)

    all_N = np.ones(len(truth_N), dtype=bool)
    return np.stack(
        [counted(truth_N == predicted_N, truth_N), counted(all_N, truth_N) + counted(all_N, predicted_N)],
        axis=1,
    )


def tallied_f1(tallies: Array) -> Values:
    """Compute F1 of each label, 0 where it has neither support nor predictions; ...x2xL to ...xL."""
    return ratio(2.0 * tallies[..., 0, :], tallies[..., 1, :])


def tallied_macro_f1(tallies: Array, occurs_L: Array) -> Values:
    """Average F1 over the labels that occur; ...x2xL and ...xL to ....

    A label that is only predicted adds no class: it is an error on the true label. The same labels serve
    every model and every resample, or one stray prediction would move the average by a third of a class.
    """
    return mean_of_occurring(tallied_f1(tallies), occurs_L)


def mean_of_occurring(ratios: Array, occurs_L: Array) -> Values:
    """Average ratios over the columns that occur; ...xL to ...."""
    ratios_L = np.where(occurs_L, ratios, 0.0)
    return ratio(ratios_L.sum(axis=-1), np.broadcast_to(occurs_L, ratios_L.shape).sum(axis=-1))


def f1(counts: Array) -> Values:
    """Compute F1 of each label; ...xLxL to ...xL."""
    return tallied_f1(tally(counts))


def macro_f1(counts: Array, occurs_L: Array | None = None) -> Values:
    """Average F1 over the labels with support; ...xLxL to ....

    `occurs_L` says which labels have support in the texts that the counts are resampled from.
    """
    return tallied_macro_f1(tally(counts), counts.sum(axis=-1) > 0 if occurs_L is None else occurs_L)


def accuracy(counts: Array) -> Values:
    """Compute the share of correct predictions; ...xLxL to ...."""
    return ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def per_class(counts_LL: Counts, names: Sequence[str]) -> dict[str, LabelScores]:
    """Compute precision, recall, F1 and support of each label."""
    hits, predictions, support = np.diagonal(counts_LL), counts_LL.sum(axis=0), counts_LL.sum(axis=1)
    precision, recall, f1_L = ratio(hits, predictions), ratio(hits, support), f1(counts_LL)
    return {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1_L[i]),
            "texts": int(support[i]),
        }
        for i, name in enumerate(names)
    }


def per_source(
    truth: Sequence[int], predicted: Sequence[int], sources: Sequence[str], *, labels: int
) -> dict[str, SubsetScores]:
    """Compute macro F1, accuracy and number of texts of each source."""
    stacks = confusion_by_group(truth, predicted, sources, labels=labels)
    return {name: summary(counts_LL) for name, counts_LL in zip(sorted(set(sources)), stacks, strict=True)}


def per_slice(
    truth: Sequence[int], predicted: Sequence[int], slices: Mapping[str, Sequence[int]], *, labels: int
) -> dict[str, SubsetScores]:
    """Compute macro F1, accuracy and number of texts of each slice, given as row numbers."""
    return {
        name: summary(
            confusion([truth[row] for row in rows], [predicted[row] for row in rows], labels=labels)
        )
        for name, rows in slices.items()
    }


def summary(counts_LL: Counts) -> SubsetScores:
    """Compute macro F1, accuracy and number of texts of one confusion matrix."""
    return {
        "macro_f1": float(macro_f1(counts_LL)),
        "accuracy": float(accuracy(counts_LL)),
        "texts": int(counts_LL.sum()),
    }


def score(truth: Counts, predicted: Counts, labels: int) -> float:
    """Compute macro F1 of N label indices against N others; training maximizes it."""
    return float(macro_f1(confusion(truth.tolist(), predicted.tolist(), labels=labels)))


def ratio(above: Array, below: Array) -> Values:
    """Divide, and return 0 where nothing is to be divided by."""
    numerator, denominator = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
