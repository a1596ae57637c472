"""Bridging: what a change of the model alone does to the share of a label, and a series without those jumps.

Legend: B draws, L labels, N texts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.base.documents import BridgedPoint, LabelShift, PrevalenceEntry
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.monitor.confusion_correction import Array, Correction, interval, standard_errors


class SeriesPoint(PrevalenceEntry):
    """The share of a label in one window, with the start of the window and its release."""

    start: str
    release: str


class TimedShift(LabelShift):
    """The shift of a label, with the start of the first window of the new release."""

    time: str


def measure_model_shift(
    old_N: Sequence[int],
    new_N: Sequence[int],
    old_confusion_LL: ArrayLike,
    new_confusion_LL: ArrayLike,
    labels: Sequence[str],
    *,
    bootstrap: BootstrapConfig,
) -> dict[str, LabelShift] | None:
    """Measure what a change of the model alone did to each share, on the same texts.

    The difference is the new release less the old one. `old_N` and `new_N` are the predictions of both
    releases, as indices of labels. Where either confusion allows no correction, the raw share of that release
    is compared, as the series holds it. None where there are no texts.

    The texts are resampled with both predictions (Efron and Tibshirani, 1993), so texts that are hard for
    both cancel out. The confusions stay as they are: their error is what makes the series jump, so it is part
    of the difference and not of its error. But it bounds how far a jump may go, since both series estimate
    the same truth. So `shift` is the difference shrunk towards 0 as much as few texts call for (the best
    linear prediction: Henderson, 1975; Robinson, 1991), with its own interval; the difference of few texts
    would add more error than it removes.
    """
    assert len(old_N) == len(new_N)
    if not len(old_N):
        return None
    size, texts, random = len(labels), len(old_N), np.random.default_rng(bootstrap.seed)
    old, new = (
        Correction(np.asarray(counts, dtype=np.float64), tuple(labels), bootstrap.confidence)
        for counts in (old_confusion_LL, new_confusion_LL)
    )
    pairs = np.bincount(np.asarray(old_N) * size + np.asarray(new_N), minlength=size**2)
    joint_LL = pairs.reshape(size, size) / texts
    # Texts with equal predictions do not prove that the next ones agree: one text is spread over all pairs of
    # predictions.
    smooth_LL = (joint_LL * texts + 1 / size**2) / (texts + 1)
    counts_BLL = random.multinomial(texts, smooth_LL.ravel(), size=bootstrap.resamples)
    draws_BLL = counts_BLL.reshape(-1, size, size) / texts
    new_L, old_L = joint_LL.sum(axis=0), joint_LL.sum(axis=1)
    difference_L, corrected = new.share(new_L) - old.share(old_L), not (old.fault or new.fault)
    draws_BLL += joint_LL - smooth_LL
    draws_BL = (
        new.solve(draws_BLL.sum(axis=1))
        - old.solve(draws_BLL.sum(axis=2))
        + difference_L
        - (new.solve(new_L) - old.solve(old_L))
    )
    model_LL = None
    if corrected:
        model_LL = new.model_covariance(new_L, bootstrap.resamples, random)
        model_LL = model_LL + old.model_covariance(old_L, bootstrap.resamples, random)
    return _label_shifts(labels, difference_L, draws_BL, model_LL, bootstrap.confidence)


def _label_shifts(
    labels: Sequence[str], difference_L: Array, draws_BL: Array, model_LL: Array | None, confidence: float
) -> dict[str, LabelShift]:
    (low_L, high_L), half_width = interval(draws_BL, confidence), standard_errors(confidence)
    texts_LL = np.cov(draws_BL, rowvar=False).reshape(len(labels), -1)
    shrinkage_LL = np.eye(len(labels))
    if model_LL is not None:
        shrinkage_LL = model_LL @ np.linalg.pinv(model_LL + texts_LL, hermitian=True)
    shift_L = shrinkage_LL @ difference_L
    shift_spread_L = np.sqrt(np.maximum(np.diagonal(shrinkage_LL @ texts_LL), 0))
    return {
        label: {
            "difference": float(difference_L[row]),
            "low": float(low_L[row]),
            "high": float(high_L[row]),
            "spread": float((high_L[row] - low_L[row]) / 2 / half_width),
            "shift": float(shift_L[row]),
            "shift_low": float(shift_L[row] - half_width * shift_spread_L[row]),
            "shift_high": float(shift_L[row] + half_width * shift_spread_L[row]),
            "shift_spread": float(shift_spread_L[row]),
            "corrected": model_LL is not None,
        }
        for row, label in enumerate(labels)
    }


def bridge_series(points: Sequence[SeriesPoint], shifts: Sequence[TimedShift]) -> list[BridgedPoint]:
    """Shift the earlier part of a label's series by what each change of the model alone did.

    The interval widens by the error of each shift, the two taken as independent (Zou and Donner, 2008). Where
    the release changed and nothing was measured, nothing is shifted, but both models' own errors enter
    `shift_spread`, so that no change is detected in them.
    """
    pending = sorted(shifts, key=lambda shift: shift["time"])
    total, later = _TotalShift(), None
    bridged: list[BridgedPoint] = []
    for point in reversed(points):
        before = total
        while pending and pending[-1]["time"] > point["start"]:
            total = total.add(pending.pop())
        if later and total is before and point["release"] != later["release"]:
            total = total.add_unmeasured(point, later)
        bridged.append(total.apply(point))
        later = point
    return bridged[::-1]


@dataclass(frozen=True)
class _TotalShift:
    """The sum of all later shifts, with its variance and the squared extents of its interval."""

    shift: float = 0.0
    variance: float = 0.0
    below: float = 0.0
    above: float = 0.0

    def add(self, label_shift: LabelShift) -> "_TotalShift":
        shift = label_shift["shift"]
        return _TotalShift(
            self.shift + shift,
            self.variance + label_shift["shift_spread"] ** 2,
            self.below + (shift - label_shift["shift_low"]) ** 2,
            self.above + (label_shift["shift_high"] - shift) ** 2,
        )

    def add_unmeasured(self, *points: PrevalenceEntry) -> "_TotalShift":
        models = math.fsum(max(0.0, point["spread"] ** 2 - point["noise"] ** 2) for point in points)
        return _TotalShift(self.shift, self.variance + models, self.below, self.above)

    def apply(self, point: SeriesPoint) -> BridgedPoint:
        share = point["share"] + self.shift
        low = share - math.hypot(point["share"] - point["low"], self.below**0.5)
        high = share + math.hypot(point["high"] - point["share"], self.above**0.5)
        return {
            **point,
            "share": _clip(share),
            "low": _clip(low),
            "high": _clip(high),
            "unbridged": point["share"],
            "shift": self.shift,
            "shift_spread": self.variance**0.5,
        }


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
