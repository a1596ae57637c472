"""Candidate against champion on the same texts: the difference of macro F1 and how sure we are of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config import GateConfig
from pipeline.evaluate import intervals, metrics
from pipeline.seeds import seed_for


@dataclass(frozen=True)
class Comparison:
    """Hold candidate minus champion in macro F1; each bound alone holds with the confidence given."""

    champion: str
    champion_macro_f1: float
    difference: float
    low: float
    high: float
    confidence: float
    texts: int


@dataclass(frozen=True)
class Pair:
    """Hold N texts' truth beside both answers; labels by index."""

    truth: Sequence[int]
    candidate: Sequence[int]
    champion: Sequence[int]
    groups: Sequence[Any]


def compare(pair: Pair, *, champion: str, labels: int, gate: GateConfig, seed: int) -> Comparison:
    """Measure the difference by a paired bootstrap over groups (Efron and Tibshirani, 1993); equal inputs give equal bounds."""
    mine_GLL = metrics.confusion_by_group(pair.truth, pair.candidate, pair.groups, labels=labels)
    theirs_GLL = metrics.confusion_by_group(pair.truth, pair.champion, pair.groups, labels=labels)
    drawn = {"resamples": gate.resamples, "seed": seed_for(seed, "gate", "compare")}
    gains_B = metrics.macro_f1(intervals.resampled(mine_GLL, **drawn)) - metrics.macro_f1(intervals.resampled(theirs_GLL, **drawn))
    low, high = np.quantile(gains_B, [1 - gate.confidence, gate.confidence])
    champion_macro_f1 = float(metrics.macro_f1(theirs_GLL.sum(axis=0)))
    return Comparison(
        champion=champion,
        champion_macro_f1=champion_macro_f1,
        difference=float(metrics.macro_f1(mine_GLL.sum(axis=0))) - champion_macro_f1,
        low=float(low),
        high=float(high),
        confidence=gate.confidence,
        texts=len(pair.truth),
    )
