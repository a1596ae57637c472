"""Counts of truth against guess, and the figures made of them.

Every figure is a function of confusion counts, so it serves one table and a stack of resampled ones alike.
For F1 alone a tally is enough: hits and mentions of each label, which with many labels is far less to resample.
Legend: L labels, G groups; `counts_LL[t, g]` texts of label t were guessed to be g; `tally_2L` hits above, mentions below.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Figures = NDArray[np.float64]


def confusion(truth: Sequence[int], guess: Sequence[int], *, labels: int) -> Counts:
    """Count every pair of truth and guess; gives LxL."""
    return confusion_by_group(truth, guess, [0] * len(truth), labels=labels).sum(axis=0)  # type: ignore[no-any-return]


def confusion_by_group(
    truth: Sequence[int], guess: Sequence[int], groups: Sequence[Any], *, labels: int
) -> Counts:
    """Count every pair of truth and guess within each group; gives GxLxL, groups in rising order."""
    assert len(truth) == len(guess) == len(groups)
    if not len(truth):
        return np.zeros((0, labels, labels), dtype=np.int64)
    names, group_N = np.unique(np.asarray(groups), return_inverse=True)
    cell_N = (group_N.astype(np.int64) * labels + np.asarray(truth, dtype=np.int64)) * labels + np.asarray(
        guess, dtype=np.int64
    )
    return np.bincount(cell_N, minlength=len(names) * labels * labels).reshape(len(names), labels, labels)


def tally(counts: NDArray[Any]) -> NDArray[Any]:
    """Give the hits of each label, and how often it is true or guessed; ...xLxL to ...x2xL."""
    return np.stack(
        [np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1) + counts.sum(axis=-2)], axis=-2
    )


def tally_by_group(truth_N: Counts, guess_N: Counts, group_N: Counts, *, groups: int, labels: int) -> Counts:
    """Give the tally of each group, the groups by number; Gx2xL."""

    def counted(rows_N: NDArray[Any], label_N: Counts) -> Counts:
        cell_N = group_N[rows_N] * labels + label_N[rows_N]
        return np.bincount(cell_N, minlength=groups * labels).reshape(groups, labels)

    every_N = np.ones(len(truth_N), dtype=bool)
    return np.stack(
        [counted(truth_N == guess_N, truth_N), counted(every_N, truth_N) + counted(every_N, guess_N)], axis=1
    )


def tallied_f1(tallies: NDArray[Any]) -> Figures:
    """Measure the F1 of each label, 0 where a label neither occurs nor is guessed; ...x2xL to ...xL."""
    return _ratio(2.0 * tallies[..., 0, :], tallies[..., 1, :])


def tallied_macro_f1(tallies: NDArray[Any]) -> Figures:
    """Average F1 over the labels that occur or are guessed (as scikit-learn does); ...x2xL to ...."""
    return _ratio(tallied_f1(tallies).sum(axis=-1), (tallies[..., 1, :] > 0).sum(axis=-1))


def f1(counts: NDArray[Any]) -> Figures:
    """Measure the F1 of each label; ...xLxL to ...xL."""
    return tallied_f1(tally(counts))


def macro_f1(counts: NDArray[Any]) -> Figures:
    """Average F1 over the labels that occur or are guessed; ...xLxL to ...."""
    return tallied_macro_f1(tally(counts))


def accuracy(counts: NDArray[Any]) -> Figures:
    """Measure the share of right guesses; ...xLxL to ...."""
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def per_class(counts_LL: Counts, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Give precision, recall, F1 and number of texts of each label."""
    hits, guessed, true = np.diagonal(counts_LL), counts_LL.sum(axis=0), counts_LL.sum(axis=1)
    precision, recall, score = _ratio(hits, guessed), _ratio(hits, true), f1(counts_LL)
    return {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(score[i]),
            "texts": int(true[i]),
        }
        for i, name in enumerate(names)
    }


def per_source(
    truth: Sequence[int], guess: Sequence[int], sources: Sequence[str], *, labels: int
) -> dict[str, dict[str, float]]:
    """Give macro F1, accuracy and number of texts of each source."""
    stacks = confusion_by_group(truth, guess, sources, labels=labels)
    return {name: summary(counts_LL) for name, counts_LL in zip(sorted(set(sources)), stacks, strict=True)}


def per_slice(
    truth: Sequence[int], guess: Sequence[int], slices: Mapping[str, Sequence[int]], *, labels: int
) -> dict[str, dict[str, float]]:
    """Give macro F1, accuracy and number of texts of each slice, which is a list of positions."""
    return {
        name: summary(confusion([truth[row] for row in rows], [guess[row] for row in rows], labels=labels))
        for name, rows in slices.items()
    }


def summary(counts_LL: Counts) -> dict[str, float]:
    """Give the figures that stand for one set of texts."""
    return {
        "macro_f1": float(macro_f1(counts_LL)),
        "accuracy": float(accuracy(counts_LL)),
        "texts": int(counts_LL.sum()),
    }


def score(truth: Counts, guess: Counts, labels: int) -> float:
    """Give macro F1 of guesses, the one number that training steers by."""
    return float(macro_f1(confusion(truth.tolist(), guess.tolist(), labels=labels)))


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Figures:
    parts, wholes = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)
