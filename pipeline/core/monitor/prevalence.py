"""The share of each label among the texts of a window, corrected for the model's own mistakes: the number one can publish.

A model that takes every tenth neutral text for a positive one counts too many positive texts. From its test texts it is known what
it makes of the texts of each label, so the count can be set right (Rogan and Gladen, 1978; Forman, 2008; Lipton, Wang and Smola,
2018). The interval holds both errors: that of the window, which is a sample, and that of the model, which was judged on a sample.
Two limits. The model must make the same mistakes now as on its test texts; a drift of the texts within a label breaks that. And
test texts count as independent, though those of one review are a little alike.

Legend: B draws, L labels, N texts; `confusion_LL[t, g]` test texts of label t were guessed to be g; `free` are shares as they are
solved, which may lie below 0 or above 1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
# The climb to the likeliest shares ends after so many steps, or once a step moves no share by this much.
CLIMB_STEPS, CLIMB_ENDS = 2000, 1e-9


def estimate_prevalence(
    guessed_L: ArrayLike,
    confusion_LL: ArrayLike,
    labels: Sequence[str],
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, dict[str, Any]] | None:
    """Estimate the share of each label from the counts of guesses in a window; None where the window is empty.

    For each label `raw` is the share of guesses, `share` the corrected one with `low` and `high`, `spread` its standard error and
    `noise` the part of it that is new in every window; the rest is the model's, and the same in all windows it answers.
    `corrected` is False, and `why` says so, where the confusion cannot bear a correction; the raw share then stands between 0 and 1.

    The interval is made of the solutions for redrawn guesses and redrawn rows of the confusion, each from a Dirichlet distribution
    with the weight of one text spread over the labels (Perks, 1947). They are cut to 0 and 1 only in the end: solutions pushed back
    one by one would pile up on the border, and cover too little beside it.
    """
    counts_L = np.asarray(guessed_L, dtype=np.float64)
    assert counts_L.shape == (len(labels),)
    if not counts_L.sum():
        return None
    judged = _Judged(np.asarray(confusion_LL, dtype=np.float64), tuple(labels), confidence)
    raw_L, reach = counts_L / counts_L.sum(), _reach(confidence)
    if judged.unfit:
        wide = {
            "low": 0.0,
            "high": 1.0,
            "spread": 0.5 / reach,
            "noise": 0.5 / reach,
            "corrected": False,
            "why": judged.unfit,
        }
        return {
            label: {"raw": float(raw), "share": float(raw), **wide}
            for label, raw in zip(labels, raw_L, strict=True)
        }
    low_L, high_L = _ends(judged.redrawn(counts_L, resamples=resamples, seed=seed), confidence)
    free_L, share_L = judged.free(raw_L), judged.share(raw_L)
    # Where even the interval lies beyond the border, half of the error on that side is kept: it proves no share of exactly none.
    lower_L = np.clip(np.minimum(low_L, share_L - (free_L - low_L) / 2), 0, 1)
    upper_L = np.clip(np.maximum(high_L, share_L + (high_L - free_L) / 2), 0, 1)
    figures = {"raw": raw_L, "share": share_L, "low": lower_L, "high": upper_L}
    figures |= {"spread": (high_L - low_L) / 2 / reach, "noise": judged.noise(counts_L)}
    return {label: {**found, "corrected": True} for label, found in _by_label(labels, figures).items()}


def measure_model_shift(
    old_N: Sequence[int], new_N: Sequence[int], old_LL: ArrayLike, new_LL: ArrayLike,
    *, labels: Sequence[str], resamples: int, confidence: float, seed: int,
) -> dict[str, dict[str, Any]] | None:  # fmt: skip
    """Measure what a change of the model alone did to each share: the new release's less the old one's, on the same texts.

    `old_N` and `new_N` are the guesses of both releases, as numbers of labels, `old_LL` and `new_LL` their confusions. Gives
    `difference` with `low`, `high` and its standard error `spread`; `corrected` is False where either confusion cannot bear a
    correction, whose raw share is compared then, as it stands in the series. None where there are no texts.

    The texts are resampled with both answers (Efron and Tibshirani, 1993), so what both releases find hard cancels. The confusions
    stay as they are: the error in them is what makes the series jump, so it is part of the difference and not of its error.
    But it says how far a jump may go at all, for both series aim at the same truth. So `shift`, by which `bridged` moves, is the
    difference drawn towards none by as much as few texts call for (the best linear prediction: Henderson, 1975; Robinson, 1991),
    with its own `shift_low`, `shift_high` and `shift_spread`; a difference of few texts would bring in more error than it takes out.
    """
    assert len(old_N) == len(new_N)
    if not len(old_N):
        return None
    many, texts, random = len(labels), len(old_N), np.random.default_rng(seed)
    old, new = (
        _Judged(np.asarray(one, dtype=np.float64), tuple(labels), confidence) for one in (old_LL, new_LL)
    )
    both_LL = (
        np.bincount(np.asarray(old_N) * many + np.asarray(new_N), minlength=many**2).reshape(many, many)
        / texts
    )
    # Texts that all got the same answer do not prove that the next one does: one text is spread over all pairs of answers.
    spread_LL = (both_LL * texts + 1 / many**2) / (texts + 1)
    drawn_BLL = random.multinomial(texts, spread_LL.ravel(), size=resamples).reshape(-1, many, many) / texts
    ours_L, theirs_L = both_LL.sum(axis=0), both_LL.sum(axis=1)
    found_L, fit = new.share(ours_L) - old.share(theirs_L), not (old.unfit or new.unfit)
    drawn_BLL += both_LL - spread_LL
    drawn_BL = (
        new.free(drawn_BLL.sum(axis=1))
        - old.free(drawn_BLL.sum(axis=2))
        + found_L
        - (new.free(ours_L) - old.free(theirs_L))
    )
    model_LL = new.error(ours_L, resamples, random) + old.error(theirs_L, resamples, random) if fit else None
    return {
        label: {**one, "corrected": fit}
        for label, one in _by_label(labels, _jump(found_L, drawn_BL, model_LL, confidence)).items()
    }


def _jump(found_L: Array, drawn_BL: Array, model_LL: Array | None, confidence: float) -> dict[str, Array]:
    (low_L, high_L), reach = _ends(drawn_BL, confidence), _reach(confidence)
    texts_LL = np.cov(drawn_BL, rowvar=False).reshape(len(found_L), -1)
    kept_LL = (
        np.eye(len(found_L))
        if model_LL is None
        else model_LL @ np.linalg.pinv(model_LL + texts_LL, hermitian=True)
    )
    shift_L, spread_L = kept_LL @ found_L, np.sqrt(np.maximum(np.diagonal(kept_LL @ texts_LL), 0))
    figures = {"difference": found_L, "low": low_L, "high": high_L, "spread": (high_L - low_L) / 2 / reach}
    return figures | {
        "shift": shift_L, "shift_low": shift_L - reach * spread_L, "shift_high": shift_L + reach * spread_L, "shift_spread": spread_L
    }  # fmt: skip


def bridge_series(
    points: Sequence[Mapping[str, Any]], breaks: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Shift the earlier part of a series of one label's shares by what each change of the model alone did.

    `points` hold `start` and what `shares` gives of the label, `breaks` hold `time` (the start of the first window of the new
    release) and what `bridge` gives of it. The interval widens by the error of each shift, the two taken as independent
    (Zou and Donner, 2008). `raw` stays as it was, the share before the shift stands as `unbridged`; `shift` is how far it was moved
    and `shift_spread` the standard error of that. Where the release changed and nothing was measured, nothing is shifted, but both
    models' own errors stand in `shift_spread`, so that no change of tone is seen in them.
    """
    waiting, moved, later = sorted(breaks, key=lambda one: str(one["time"])), _Moved(), None
    found = []
    for point in reversed(points):
        before = moved
        while waiting and waiting[-1]["time"] > point["start"]:
            moved = moved.by(waiting.pop())
        if later and moved is before and point.get("release") != later.get("release"):
            moved = moved.unmeasured(point, later)
        found.append({**point, **moved.of(point)})
        later = point
    return found[::-1]


@dataclass(frozen=True)
class _Moved:
    """Hold what all later changes of the model did together; the last three are squares."""

    shift: float = 0.0
    variance: float = 0.0
    below: float = 0.0
    above: float = 0.0

    def by(self, one: Mapping[str, Any]) -> "_Moved":
        shift, below, above = one["shift"], one["shift"] - one["shift_low"], one["shift_high"] - one["shift"]
        return _Moved(
            self.shift + shift,
            self.variance + one["shift_spread"] ** 2,
            self.below + below**2,
            self.above + above**2,
        )

    def unmeasured(self, *points: Mapping[str, Any]) -> "_Moved":
        models = math.fsum(max(0.0, point["spread"] ** 2 - point["noise"] ** 2) for point in points)
        return _Moved(self.shift, self.variance + models, self.below, self.above)

    def of(self, point: Mapping[str, Any]) -> dict[str, float]:
        share = point["share"] + self.shift
        low, high = (
            math.hypot(point["share"] - point["low"], self.below**0.5),
            math.hypot(point["high"] - point["share"], self.above**0.5),
        )
        ends = {"share": _cut(share), "low": _cut(share - low), "high": _cut(share + high)}
        return {**ends, "unbridged": point["share"], "shift": self.shift, "shift_spread": self.variance**0.5}


@dataclass(frozen=True)
class _Judged:
    """Hold what a release makes of the texts of each label, as counted on its test texts."""

    counts_LL: Array
    labels: tuple[str, ...]
    confidence: float

    def __post_init__(self) -> None:
        assert self.counts_LL.shape == (len(self.labels), len(self.labels))

    @cached_property
    def rows_LL(self) -> Array:
        """Give the share of each guess among the texts of a label."""
        rows_LL: Array = self.counts_LL / self.counts_LL.sum(axis=1, keepdims=True)
        return rows_LL

    @cached_property
    def unfit(self) -> str | None:
        """Say why the confusion cannot bear a correction; None where it can.

        It must surely not be singular: its smallest singular value is set beside its own error, for the interval of a quotient has
        no bounds while the divisor may be nothing (Fieller, 1954).
        """
        texts_L = self.counts_LL.sum(axis=1)
        if unseen := [label for label, texts in zip(self.labels, texts_L, strict=True) if not texts]:
            return f"no test text has the label {', '.join(unseen)}, so it is not known what the model makes of such texts"
        left_LL, sizes_L, right_LL = np.linalg.svd(self.rows_LL)
        variance_L = (
            np.maximum(self.rows_LL @ right_LL[-1] ** 2 - (self.rows_LL @ right_LL[-1]) ** 2, 0) / texts_L
        )
        error = math.sqrt(float(left_LL[:, -1] ** 2 @ variance_L))
        if sizes_L[-1] <= max(_reach(self.confidence) * error, 1e-9):
            return "on its test texts the model does not surely tell its labels apart, so what it guesses does not say what is true"
        return None

    def free(self, guess: Array) -> Array:
        """Solve confusion^T p = q for one row of shares of guesses or for many; unfit, they are as they are."""
        return guess if self.unfit else guess @ np.linalg.inv(self.rows_LL)

    def share(self, guess_L: Array) -> Array:
        """Give the shares under which the guesses are likeliest, by expectation maximisation where solving leaves the simplex."""
        free_L = self.free(guess_L)
        if self.unfit or free_L.min() >= 0:
            return free_L
        share_L: Array = np.full(len(free_L), 1 / len(free_L))
        for _ in range(CLIMB_STEPS):
            expected_L = share_L @ self.rows_LL
            ratio_L = np.divide(guess_L, expected_L, out=np.zeros_like(guess_L), where=expected_L > 0)
            before_L, share_L = share_L, share_L * (self.rows_LL @ ratio_L)
            if np.abs(share_L - before_L).max() < CLIMB_ENDS:
                break
        return share_L

    def redrawn(self, counts_L: Array, *, resamples: int, seed: int) -> Array:
        """Draw guesses and confusions anew and solve each pair; BxL."""
        random = np.random.default_rng(seed)
        return self._solved(
            _dirichlet(counts_L, resamples, random), _dirichlet(self.counts_LL, resamples, random)
        )

    def error(self, guess_L: Array, resamples: int, random: np.random.Generator) -> Array:
        """Give the covariance of the solved shares that the sample of test texts alone makes; LxL."""
        rows_BLL = _dirichlet(self.counts_LL, resamples, random)
        return np.cov(
            self._solved(np.broadcast_to(guess_L, rows_BLL.shape[:2]), rows_BLL), rowvar=False
        ).reshape(len(guess_L), -1)

    def _solved(self, guess_BL: Array, rows_BLL: Array) -> Array:
        solved_BL: Array = np.linalg.solve(rows_BLL.swapaxes(1, 2), guess_BL[..., None])[..., 0].astype(
            np.float64
        )
        return solved_BL

    def noise(self, counts_L: Array) -> Array:
        """Give the standard error of the solved shares that the sample of texts alone makes."""
        guess_L = (counts_L + 1 / len(counts_L)) / (counts_L.sum() + 1)
        inverse_LL = np.linalg.inv(self.rows_LL)
        variance_L = guess_L @ inverse_LL**2 - (guess_L @ inverse_LL) ** 2
        noise_L: Array = np.sqrt(np.maximum(variance_L, 0) / counts_L.sum())
        return noise_L


def _by_label(labels: Sequence[str], figures: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    return {
        label: {name: float(column_L[place]) for name, column_L in figures.items()}
        for place, label in enumerate(labels)
    }


def _dirichlet(counts: Array, resamples: int, random: np.random.Generator) -> Array:
    # A Dirichlet draw is gamma draws over their sum.
    drawn: Array = random.standard_gamma(counts + 1 / counts.shape[-1], size=(resamples, *counts.shape))
    drawn /= drawn.sum(axis=-1, keepdims=True)
    return drawn


def _ends(drawn_BL: Array, confidence: float) -> tuple[Array, Array]:
    tail = (1 - confidence) / 2
    low_L, high_L = np.quantile(drawn_BL, [tail, 1 - tail], axis=0)
    return low_L, high_L


def _reach(confidence: float) -> float:
    """Give how many standard errors the interval of a normal figure reaches to either side."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _cut(value: float) -> float:
    return min(1.0, max(0.0, value))
