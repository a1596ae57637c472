"""Bridging: what a change of the model alone does to the share of a label, and a series without those jumps.

Legend: K topics, L labels, N texts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.base.documents import BridgedPoint, LabelShift, PrevalenceEntry
from pipeline.core.prevalence.intervals import Array, standard_errors

Carried = tuple[int, ...]  # the numbers of the labels that a text has


class SeriesPoint(PrevalenceEntry):
    """The share of a label in one window, with the start of the window and its release."""

    start: str
    release: str


class TimedShift(LabelShift):
    """The shift of a label, with the start of the first window of the new release."""

    time: str


def measure_model_shifts(
    pairs: Mapping[str, tuple[Sequence[Carried], Sequence[Carried]]],
    labels: Sequence[str],
    *,
    confidence: float,
    one_label: bool = True,
) -> dict[str, dict[str, LabelShift]]:
    """Measure what a change of the model alone did to the share of each label in each topic.

    `pairs` holds for each topic the labels that the old and the new release gave the same texts, exactly one
    each with `one_label`; at least one topic has some. `difference` is the new share of predictions less the
    old one, with the interval of a paired difference, so texts that are hard for both cancel out. Topics
    differ in what a change does to them, but not without limit: `shift` is the difference shrunk towards the
    mean over topics, the more the fewer texts a topic has and the less topics differ (DerSimonian and Laird,
    1986; best linear prediction: Robinson, 1991).
    """
    topics = [topic for topic, (old_N, _) in pairs.items() if len(old_N)]
    assert topics
    # One text is spread over the pairs of labels, or of having a label and not having it.
    pairs_of = len(labels) if one_label else 2
    spread = (pairs_of - 1) / pairs_of**2
    measured = [_paired_difference(*pairs[topic], labels=len(labels), spread=spread) for topic in topics]
    difference_KL, variance_KL = (np.array(part) for part in zip(*measured, strict=True))
    half_width = standard_errors(confidence)
    shifts: dict[str, dict[str, LabelShift]] = {topic: {} for topic in topics}
    for column, label in enumerate(labels):
        shrunk_K, error_K = _shrink(difference_KL[:, column], variance_KL[:, column])
        for row, topic in enumerate(topics):
            difference, spread = difference_KL[row, column], variance_KL[row, column] ** 0.5
            shifts[topic][label] = {
                "difference": float(difference),
                "low": float(difference - half_width * spread),
                "high": float(difference + half_width * spread),
                "spread": float(spread),
                "shift": float(shrunk_K[row]),
                "shift_low": float(shrunk_K[row] - half_width * error_K[row]),
                "shift_high": float(shrunk_K[row] + half_width * error_K[row]),
                "shift_spread": float(error_K[row]),
                "corrected": False,
            }
    return shifts


def _paired_difference(
    old_N: Sequence[Carried], new_N: Sequence[Carried], *, labels: int, spread: float
) -> tuple[Array, Array]:
    """Compute the difference of each share, and its variance with so much of a text won and lost; L each."""
    assert len(old_N) == len(new_N)
    texts = len(old_N)
    old_NL, new_NL = (_indicators(rows, labels) for rows in (old_N, new_N))
    won_L, lost_L = (new_NL & ~old_NL).sum(axis=0), (old_NL & ~new_NL).sum(axis=0)
    smooth_won_L, smooth_lost_L = ((count_L + spread) / (texts + 1) for count_L in (won_L, lost_L))
    variance_L = (smooth_won_L + smooth_lost_L - (smooth_won_L - smooth_lost_L) ** 2) / texts
    return (won_L - lost_L) / texts, variance_L


def _indicators(rows: Sequence[Carried], labels: int) -> NDArray[np.bool_]:
    carried_NL = np.zeros((len(rows), labels), dtype=bool)
    for row, carried in enumerate(rows):
        carried_NL[row, list(carried)] = True
    return carried_NL


def _shrink(difference_K: Array, variance_K: Array) -> tuple[Array, Array]:
    """Shrink the differences of topics towards their mean; return them with their standard errors."""
    weight_K = 1 / variance_K
    mean = float((weight_K * difference_K).sum() / weight_K.sum())
    excess = float((weight_K * (difference_K - mean) ** 2).sum()) - (len(difference_K) - 1)
    scale = float(weight_K.sum() - (weight_K**2).sum() / weight_K.sum())
    between = max(0.0, excess / scale) if scale > 0 else float("inf")
    if math.isinf(between):
        return difference_K, variance_K**0.5
    # Few topics say little about how much topics differ, so that variance has an error too.
    between *= 1 + 2 / len(difference_K)
    weight_K = 1 / (variance_K + between)
    mean, mean_variance = float((weight_K * difference_K).sum() / weight_K.sum()), 1 / float(weight_K.sum())
    own_K = between * weight_K
    error_K = np.sqrt(own_K * variance_K + (1 - own_K) ** 2 * mean_variance)
    return mean + own_K * (difference_K - mean), error_K


def bridge_series(points: Sequence[SeriesPoint], shifts: Sequence[TimedShift]) -> list[BridgedPoint]:
    """Shift the earlier part of a label's series by what each change of the model alone did.

    A shift of the share of predictions does not move a share that is corrected.

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
    corrected: bool = True

    def add(self, label_shift: LabelShift) -> "_TotalShift":
        shift = label_shift["shift"]
        return _TotalShift(
            self.shift + shift,
            self.variance + label_shift["shift_spread"] ** 2,
            self.below + (shift - label_shift["shift_low"]) ** 2,
            self.above + (label_shift["shift_high"] - shift) ** 2,
            self.corrected and label_shift.get("corrected", True),
        )

    def add_unmeasured(self, *points: PrevalenceEntry) -> "_TotalShift":
        models = math.fsum(max(0.0, point["spread"] ** 2 - point["noise"] ** 2) for point in points)
        return replace(self, variance=self.variance + models)

    def apply(self, point: SeriesPoint) -> BridgedPoint:
        if point["corrected"] and not self.corrected:
            # What audit labels correct is true whichever model predicted.
            return {**point, "unbridged": point["share"], "shift": 0.0, "shift_spread": 0.0}
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
