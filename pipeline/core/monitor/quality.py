"""How often the answers are right: by true labels told later, by the model's own confidence, and beside the
release before.

Legend: N texts, B resamples, L labels.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import QualityConfig
from pipeline.core.evaluate import bootstrap, metrics

Array = NDArray[np.float64]
# A look is taken whenever the labels have grown by this factor; the density between two looks stands in so
# many cells.
GROWTH, CELLS = 1.05, 700
HALVINGS = 40


@dataclass(frozen=True)
class RegressionVerdict:
    """Hold the answer to whether the champion surely lost too much against the release before; `judged` is
    False where it is too soon.

    `figures` hold `labels`, and once judged the accuracies `champion` and `previous`, the `fall`, the
    one-sided bound `low` that it surely exceeds and the `margin`.
    """

    judged: bool
    fell: bool
    reason: str
    figures: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return {**dataclasses.asdict(self), "figures": dict(self.figures)}


def observed_quality(
    truth: Sequence[str],
    guess: Sequence[str],
    labels: Sequence[str],
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> dict[str, Any] | None:
    """Measure accuracy and macro F1 by the true labels that people told; None where there are none.

    `labels` counts them. The interval of accuracy is Wilson's (1927), which holds near 0 and 1 too; that of
    macro F1 a percentile bootstrap over texts (Efron and Tibshirani, 1993). A told label that the release
    does not know counts as a mistake. Its limit: people tell of some texts more than of others, mostly of
    wrong answers, so it is the accuracy on the texts told of.
    """
    assert len(truth) == len(guess)
    if not len(truth):
        return None
    known = [*labels, *sorted({*truth, *guess} - set(labels))]
    place = {label: row for row, label in enumerate(known)}
    counts_LL = metrics.confusion(
        [place[one] for one in truth], [place[one] for one in guess], labels=len(known)
    )
    # To draw texts with replacement is to draw the cells that they fall in.
    drawn_B = np.random.default_rng(seed).multinomial(
        len(truth), counts_LL.ravel() / len(truth), size=resamples
    )
    f1_B = metrics.macro_f1(drawn_B.reshape(-1, *counts_LL.shape))
    f1_low, f1_high = bootstrap.percentile_interval(f1_B, confidence=confidence)
    low, high = wilson_interval(int(np.trace(counts_LL)), len(truth), confidence=confidence)
    accuracy = {
        "labels": len(truth),
        "accuracy": float(metrics.accuracy(counts_LL)),
        "low": low,
        "high": high,
    }
    return {
        **accuracy,
        "macro_f1": float(metrics.macro_f1(counts_LL)),
        "macro_f1_low": f1_low,
        "macro_f1_high": f1_high,
    }


def wilson_interval(hits: int, texts: int, *, confidence: float) -> tuple[float, float]:
    """Give the two-sided score interval of a share (Wilson, 1927)."""
    reach = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = hits / texts, reach**2 / texts
    centre = (share + weight / 2) / (1 + weight)
    half = reach * math.sqrt(share * (1 - share) / texts + weight / texts / 4) / (1 + weight)
    # At 0 and 1 the interval ends there, which rounding must not undo.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def estimated_quality(
    confidence_N: Sequence[float], *, confidence: float, resamples: int, seed: int
) -> dict[str, Any] | None:
    """Estimate the accuracy in a window without labels, from the model's calibrated confidence in each
    answer; None without answers.

    Of answers given with 0.8 eight in ten are right, if the release is calibrated (Guo et al., 2017), so the
    average confidence is the accuracy to expect. The interval is of what is seen in so many texts: a text
    drawn anew is right with the average confidence, so the right ones are binomial around it, with one text
    spread evenly so that a window of all ones has an interval too. Its limit (Garg et al., 2022): it sees a
    change in which texts come, not a change in what their labels are; a release that is calibrated on its
    test texts may be too sure of texts unlike them. Only `observed` finds that.
    """
    if not len(confidence_N):
        return None
    texts, mean = len(confidence_N), float(np.mean(confidence_N))
    drawn_B = (
        np.random.default_rng(seed).binomial(texts, (mean * texts + 0.5) / (texts + 1), size=resamples)
        / texts
    )
    low, high = bootstrap.percentile_interval(drawn_B, confidence=confidence)
    return {"texts": texts, "accuracy": mean, "low": min(low, mean), "high": max(high, mean)}


def detect_regression(
    truth: Sequence[str], now_guess: Sequence[str], before_guess: Sequence[str], cfg: QualityConfig,
    *, confidence: float, names: Mapping[str, str],
) -> RegressionVerdict:  # fmt: skip
    """Decide whether the champion surely lost more accuracy than the margin against the release before, on
    the same texts.

    `names` hold those of `champion` and `previous`. Hand in all labels told since the promotion each time;
    the question may be asked as often as labels come in. Asked only once, a one-sided test at `confidence`
    would do; asked again and again, chance alone would pass it at last. So the bound rises as labels come in
    (`_reach`), and over the whole time a champion that lost no more than the margin is taken back with a
    probability of at most 1 - confidence.

    The statistic is the score test of a paired difference against a margin (Tango, 1998), by the texts only
    one of them gets right.
    """
    assert len(truth) == len(now_guess) == len(before_guess)
    labels = len(truth)
    if labels < cfg.min_labels:
        reason = f"Only {labels:,} true labels are told, too few to judge a release by (watch.quality.min_labels is {cfg.min_labels:,})."
        return RegressionVerdict(judged=False, fell=False, reason=reason, figures={"labels": labels})
    rights = [
        (true == mine, true == theirs)
        for true, mine, theirs in zip(truth, now_guess, before_guess, strict=True)
    ]
    lost, won = rights.count((False, True)), rights.count((True, False))
    low = _surely(lost, won, labels, reach=_reach(labels, cfg.min_labels, confidence))
    now, before = sum(mine for mine, _ in rights) / labels, sum(theirs for _, theirs in rights) / labels
    figures = {
        "labels": labels,
        "champion": now,
        "previous": before,
        "fall": before - now,
        "low": low,
        "margin": cfg.rollback_margin,
    }
    fell = low > cfg.rollback_margin
    return RegressionVerdict(
        judged=True,
        fell=fell,
        reason=_reason(figures, names, fell=fell, confidence=confidence),
        figures=figures,
    )


def _reason(figures: Mapping[str, float], names: Mapping[str, str], *, fell: bool, confidence: float) -> str:
    change = (
        f"{'a fall' if figures['fall'] > 0 else 'a gain'} of {abs(figures['fall']):.3f}"
        if figures["fall"]
        else "no change"
    )
    bound = f"{confidence:.0%} bound {figures['low']:+.3f}, however often it is asked"
    return (
        f"On the same {figures['labels']:,} texts with true labels {names['champion']} has an accuracy of {figures['champion']:.3f} and "
        f"{names['previous']} of {figures['previous']:.3f}: {change}, {'surely' if fell else 'not surely'} a fall by more than the "
        f"{figures['margin']:.3f} that is tolerated (watch.quality.rollback_margin; {bound})."
    )


def _surely(lost: int, won: int, labels: int, *, reach: float) -> float:
    """Give the greatest fall that the score test of so many standard errors refuses, -1 where it refuses
    none.
    """
    low, high = -1.0, (lost - won) / labels
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _score(lost, won, labels, middle) > reach else (low, middle)
    return low


def _score(lost: int, won: int, labels: int, fall: float) -> float:
    """Give how many standard errors the fall that is seen lies above the one supposed, the errors as they
    would be under that.
    """
    # The likeliest share of texts that only the champion gets right, if the fall were what is supposed
    # (Tango, 1998, appendix).
    linear, constant = (2 * labels - lost + won) * fall - lost - won, -won * fall * (1 - fall)
    won_share = (math.sqrt(linear**2 - 8 * labels * constant) - linear) / (4 * labels)
    variance = labels * (2 * won_share + fall * (1 - fall))
    # Half a text is taken off, for a count moves in whole ones (Yates, 1934).
    return (lost - won - labels * fall - 0.5) / math.sqrt(variance) if variance > 0 else 0.0


@lru_cache(maxsize=256)
def _reach(labels: int, first: int, confidence: float) -> float:
    """Give by how many standard errors a fall must exceed the margin, when it was asked about from `first`
    labels on.

    Alpha spending (Lan and DeMets, 1983): at the first look half of 1 - confidence is spent, at twice as many
    labels half of what is left, and so on; a look is taken whenever the labels have grown by a twentieth. The
    statistic of one look given that of the look before is normal with a correlation of sqrt(1 / 1.05), so its
    density is carried from look to look by one matrix, without what has crossed the bound already (Armitage,
    McPherson and Rowe, 1969).
    """
    looks = math.ceil(math.log(labels / first) / math.log(GROWTH))
    edges, step = np.linspace(-7, 7, CELLS + 1, retstep=True)
    cells, kept = (edges[1:] + edges[:-1]) / 2, GROWTH**-0.5
    move = (
        _bell((cells[None] - kept * cells[:, None]) / math.sqrt(1 - kept**2)) * step / math.sqrt(1 - kept**2)
    )
    density, spent, bound = _bell(cells), 0.0, 0.0
    for look in range(looks + 1):
        due = (1 - confidence) * (1 - 0.5 / GROWTH**look) - spent
        above = np.append(np.cumsum(density[::-1])[::-1] * step, 0.0)
        bound, spent = float(np.interp(due, above[::-1], edges[::-1])), spent + due
        density = (density * np.clip((bound - edges[:-1]) / step, 0, 1)) @ move
    return bound


def _bell(values: Array) -> Array:
    bell: Array = np.exp(-(values**2) / 2) / math.sqrt(2 * math.pi)
    return bell
