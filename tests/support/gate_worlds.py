"""Simulated worlds for the gate: pairs of models whose true difference is known, drawn from a seed."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import GateConfig
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions
from pipeline.core.evaluate.significance import lower_bound
from pipeline.core.gate.looks import EarlierLook, describe_test, look_budget

LABELS = ("negative", "neutral", "positive")
RETRAIN_NOISE = 0.35  # of the difficulty of a text: two models that differ by their seed agree on five of six


def correct_answers(
    hard: NDArray[np.float64], accuracy: float, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw which texts a model gets right: hard ones rarely."""
    threshold = NormalDist().inv_cdf(accuracy) * math.sqrt(1 + RETRAIN_NOISE**2)
    return hard + RETRAIN_NOISE * random.normal(size=len(hard)) < threshold


def predictions_of(
    truth: NDArray[np.int64],
    right: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    ids: list[str] | None = None,
) -> PairedPredictions:
    """Return two models' predictions: the next label where they are wrong."""
    candidate, champion = (np.where(one, truth, (truth + 1) % 3).tolist() for one in right)
    names = ids or [str(row) for row in range(len(truth))]
    return PairedPredictions(names, truth.tolist(), candidate, champion, names)


@dataclass(frozen=True)
class Year:
    """Weekly retrains against one test split: promotions, and how far the published figures are off."""

    promotions: int
    seen_error: float  # of the last champion, on the texts that chose it
    reserve_error: float  # of the last champion, on the reserve


def weekly_retrains(
    seed: int, gate: GateConfig, *, texts: int, looks: int, spread: float = 0.0, budget: bool = True
) -> Year:
    """Retrain `looks` times; each model's true accuracy varies by `spread` around 0.77.

    Accuracy stands for macro F1, so that its standard error needs no bootstrap. Without the `budget` every
    look is the first, as it was, at a two-sided `gate.confidence`.
    """
    random = np.random.default_rng(seed)
    hard = random.normal(size=texts)
    reserved = random.random(texts) < gate.reserve
    test = describe_test([f"text {number}" for number in range(texts)], reserved=int(reserved.sum()))
    accuracy = 0.77 + spread * random.normal(size=looks + 1)
    champion, true, promotions = correct_answers(hard, accuracy[0], random), accuracy[0], 0
    earlier: list[EarlierLook] = []
    for number in range(1, looks + 1):
        candidate = correct_answers(hard, accuracy[number], random)
        gains = candidate[~reserved].astype(float) - champion[~reserved]
        level = look_budget(test, earlier, gate).next_look()["level"] if budget else (1 - gate.confidence) / 2
        earlier.append(EarlierLook(test, level))
        error = gains.std(ddof=1) / math.sqrt(len(gains))
        if lower_bound(gains.mean(), error, groups=int(np.count_nonzero(gains)), level=level) > 0:
            champion, true, promotions = candidate, accuracy[number], promotions + 1
    seen, reserve = champion[~reserved].mean() - true, champion[reserved].mean() - true
    return Year(promotions, float(seen), float(reserve))


def damaged_slice(
    random: np.random.Generator, *, texts: int, size: int, drop: float
) -> tuple[PairedPredictions, dict[str, Any]]:
    """Return two equal models but on one slice of `size` texts, where the candidate is worse by `drop`."""
    truth = random.choice(3, p=[0.37, 0.19, 0.44], size=texts)
    hard = random.normal(size=texts)
    candidate, champion = (correct_answers(hard, 0.77, random) for _ in range(2))
    members = random.permutation(texts)[:size]
    correct = members[candidate[members]]
    candidate[random.permutation(correct)[: round(drop * size)]] = False
    others = np.setdiff1d(np.arange(texts), members)
    thirds = zip("abc", np.array_split(others, 3), strict=True)
    bands = random.integers(3, size=texts)
    slices = {
        "source=damaged": members.tolist(),
        **{f"source={name}": part.tolist() for name, part in thirds},
        **{f"length={band}": np.flatnonzero(bands == band).tolist() for band in range(3)},
    }
    return predictions_of(truth, (candidate, champion)), slices
