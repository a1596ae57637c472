"""Quality by ground truth and by confidence, and regression against the previous release.

Legend: N texts, B resamples, L labels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import QualityConfig
from pipeline.base.documents import EstimatedQuality, ObservedQuality
from pipeline.core.evaluate import metrics
from pipeline.core.evaluate.bootstrap import BootstrapConfig, percentile_interval

Array = NDArray[np.float64]
# A look is assumed whenever the labels have grown by this factor; the density between two looks is held in so
# many cells.
GROWTH, CELLS = 1.05, 700
BISECTIONS = 40


@dataclass(frozen=True)
class RegressionFigures:
    """The accuracies of both releases, the drop, its one-sided lower bound, and the margin."""

    labels: int
    champion: float
    previous: float
    drop: float
    low: float
    margin: float


@dataclass(frozen=True)
class RegressionVerdict:
    """Whether the champion regressed significantly; `figures` is None with too few labels."""

    degraded: bool
    reason: str
    figures: RegressionFigures | None


def observed_quality(
    truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str], bootstrap: BootstrapConfig
) -> ObservedQuality | None:
    """Measure accuracy and macro F1 by ground truth; None where there is none.

    The interval of accuracy is Wilson's (1927), which holds near 0 and 1 too; that of macro F1 a percentile
    bootstrap over texts (Efron and Tibshirani, 1993). A true label that the release does not know counts as
    an error. Its limit: people send feedback on some texts more than on others, mostly on errors; it is the
    accuracy on the labelled texts.
    """
    assert len(truth) == len(predicted)
    if not len(truth):
        return None
    known = [*labels, *sorted({*truth, *predicted} - set(labels))]
    index = {label: row for row, label in enumerate(known)}
    counts_LL = metrics.confusion(
        [index[label] for label in truth], [index[label] for label in predicted], labels=len(known)
    )
    # To draw texts with replacement is to draw the cells of the confusion that they fall in.
    draws_B = np.random.default_rng(bootstrap.seed).multinomial(
        len(truth), counts_LL.ravel() / len(truth), size=bootstrap.resamples
    )
    f1_B = metrics.macro_f1(draws_B.reshape(-1, *counts_LL.shape))
    f1_low, f1_high = percentile_interval(f1_B, confidence=bootstrap.confidence)
    low, high = wilson_interval(int(np.trace(counts_LL)), len(truth), confidence=bootstrap.confidence)
    return {
        "labels": len(truth),
        "accuracy": float(metrics.accuracy(counts_LL)),
        "low": low,
        "high": high,
        "macro_f1": float(metrics.macro_f1(counts_LL)),
        "macro_f1_low": f1_low,
        "macro_f1_high": f1_high,
    }


def wilson_interval(successes: int, texts: int, *, confidence: float) -> tuple[float, float]:
    """Compute the two-sided score interval of a share (Wilson, 1927)."""
    half_width = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = successes / texts, half_width**2 / texts
    centre = (share + weight / 2) / (1 + weight)
    half = half_width * math.sqrt(share * (1 - share) / texts + weight / texts / 4) / (1 + weight)
    # At 0 and 1 the interval ends there, which rounding must not undo.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def estimated_quality(
    texts: int, mean_confidence: float, bootstrap: BootstrapConfig
) -> EstimatedQuality | None:
    """Estimate accuracy from the mean calibrated confidence of predictions; None without predictions.

    Of predictions with confidence 0.8 eight in ten are right, if the release is calibrated (Guo et al.,
    2017), so the mean confidence is the expected accuracy. The interval is that of the accuracy observed on
    so many texts: a new text is right with the mean confidence, so the number of right ones is binomial, with
    one text spread evenly so that confidences of 1 have an interval too. Its limit (Garg et al., 2022): it
    sees a change in which texts come, not a change in what their labels are; a release calibrated on its test
    texts may be overconfident on texts unlike them. Only `observed_quality` finds that.
    """
    if not texts:
        return None
    mean = mean_confidence
    right_B = np.random.default_rng(bootstrap.seed).binomial(
        texts, (mean * texts + 0.5) / (texts + 1), size=bootstrap.resamples
    )
    low, high = percentile_interval(right_B / texts, confidence=bootstrap.confidence)
    return {"texts": texts, "accuracy": mean, "low": min(low, mean), "high": max(high, mean)}


def detect_regression(
    truth: Sequence[str],
    champion_predicted: Sequence[str],
    previous_predicted: Sequence[str],
    cfg: QualityConfig,
    *,
    confidence: float,
    champion: str,
    previous: str,
) -> RegressionVerdict:
    """Decide whether the champion lost significantly more accuracy than the margin.

    `champion` and `previous` are the names of the releases. Pass all true labels since the promotion each
    time; the test may be repeated as often as labels come in. A single one-sided test at `confidence` would,
    repeated, pass by chance alone at last. So the bound is corrected for repetition (`_critical_value`): over
    the whole time a champion that lost no more than the margin is rolled back with a probability of at most 1
    - confidence.

    The statistic is the score test of a paired difference against a margin (Tango, 1998), by the texts only
    one of them gets right.
    """
    assert len(truth) == len(champion_predicted) == len(previous_predicted)
    labels = len(truth)
    if labels < cfg.min_labels:
        reason = (
            f"{labels:,} true labels are too few to judge a release "
            f"(watch.quality.min_labels is {cfg.min_labels:,})."
        )
        return RegressionVerdict(degraded=False, reason=reason, figures=None)
    right = [
        (true == ours, true == theirs)
        for true, ours, theirs in zip(truth, champion_predicted, previous_predicted, strict=True)
    ]
    figures = _regression_figures(right, cfg, confidence)
    degraded = figures.low > figures.margin
    reason = (
        f"On the same {labels:,} texts with true labels {champion} has an accuracy of {figures.champion:.3f} "
        f"and {previous} of {figures.previous:.3f}: {_outcome(figures, degraded)} "
        f"(watch.quality.rollback_margin; {confidence:.0%} lower bound {figures.low:+.3f}, "
        "corrected for repeated looks)."
    )
    return RegressionVerdict(degraded, reason, figures)


def _regression_figures(
    right: Sequence[tuple[bool, bool]], cfg: QualityConfig, confidence: float
) -> RegressionFigures:
    """Compute the figures from whether champion and previous release are right on each text."""
    labels, lost, won = len(right), right.count((False, True)), right.count((True, False))
    critical_value = _critical_value(labels, cfg.min_labels, confidence)
    champion = sum(ours for ours, _ in right) / labels
    previous = sum(theirs for _, theirs in right) / labels
    return RegressionFigures(
        labels=labels,
        champion=champion,
        previous=previous,
        drop=previous - champion,
        low=_lower_bound(lost, won, labels, critical_value=critical_value),
        margin=cfg.rollback_margin,
    )


def _outcome(figures: RegressionFigures, degraded: bool) -> str:
    if degraded:
        return f"a drop of {figures.drop:.3f}, significantly above the tolerated {figures.margin:.3f}"
    change = "no change"
    if figures.drop:
        change = f"a {'drop' if figures.drop > 0 else 'gain'} of {abs(figures.drop):.3f}"
    return f"{change}; a drop above the tolerated {figures.margin:.3f} is not significant"


def _lower_bound(lost: int, won: int, labels: int, *, critical_value: float) -> float:
    """Find the greatest drop that the score test rejects, -1 where it rejects none."""
    low, high = -1.0, (lost - won) / labels
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _score(lost, won, labels, middle) > critical_value else (low, middle)
    return low


def _score(lost: int, won: int, labels: int, drop: float) -> float:
    """Compute how many standard errors, under the supposed drop, the observed drop lies above it."""
    # The likeliest share of texts that only the champion gets right, under the supposed drop (Tango, 1998,
    # appendix).
    linear, constant = (2 * labels - lost + won) * drop - lost - won, -won * drop * (1 - drop)
    won_share = (math.sqrt(linear**2 - 8 * labels * constant) - linear) / (4 * labels)
    variance = labels * (2 * won_share + drop * (1 - drop))
    # Half a text is taken off as a continuity correction (Yates, 1934).
    return (lost - won - labels * drop - 0.5) / math.sqrt(variance) if variance > 0 else 0.0


@lru_cache(maxsize=256)
def _critical_value(labels: int, first: int, confidence: float) -> float:
    """Compute how many standard errors a drop must exceed the margin by, from `first` labels on.

    Alpha spending (Lan and DeMets, 1983): at the first look half of 1 - confidence is spent, at twice as many
    labels half of what is left, and so on; a look is taken whenever the labels have grown by a twentieth. The
    statistic of one look given that of the look before is normal with a correlation of sqrt(1 / 1.05), so its
    density is carried from look to look by one matrix, without what has crossed the bound already (Armitage,
    McPherson and Rowe, 1969).
    """
    looks = math.ceil(math.log(labels / first) / math.log(GROWTH))
    edges, step = np.linspace(-7, 7, CELLS + 1, retstep=True)
    cells, correlation = (edges[1:] + edges[:-1]) / 2, GROWTH**-0.5
    scale = math.sqrt(1 - correlation**2)
    transition = _normal_density((cells[None] - correlation * cells[:, None]) / scale) * step / scale
    density, spent, bound = _normal_density(cells), 0.0, 0.0
    for look in range(looks + 1):
        alpha = (1 - confidence) * (1 - 0.5 / GROWTH**look) - spent
        above = np.append(np.cumsum(density[::-1])[::-1] * step, 0.0)
        bound, spent = float(np.interp(alpha, above[::-1], edges[::-1])), spent + alpha
        density = (density * np.clip((bound - edges[:-1]) / step, 0, 1)) @ transition
    return bound


def _normal_density(values: Array) -> Array:
    density: Array = np.exp(-(values**2) / 2) / math.sqrt(2 * math.pi)
    return density
