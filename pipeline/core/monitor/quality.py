"""Quality by audit labels and by confidence, and regression against the previous release.

Legend: N texts, B resamples, C cells of a confusion, L labels.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import QualityConfig
from pipeline.base.documents import EstimatedQuality, ObservedQuality
from pipeline.base.documents.audit import AuditLabel
from pipeline.base.tasks import SINGLE_LABEL, AnswerForm, answer_form
from pipeline.base.tasks.items import are_equal, item_f1
from pipeline.core.evaluate import metrics
from pipeline.core.evaluate.bootstrap import BootstrapConfig, bootstrap_weights, percentile_interval
from pipeline.core.monitor.audit_sample import wilson_interval
from pipeline.core.monitor.e_process import evidence

Array = NDArray[np.float64]
ONE_LABEL = answer_form(SINGLE_LABEL)


@dataclass(frozen=True)
class RegressionFigures:
    """The accuracies of both releases, the drop, the evidence against no drop, and the margin.

    `needed` is the evidence from which a drop counts as no chance.
    """

    labels: int
    champion: float
    previous: float
    drop: float
    evidence: float
    needed: float
    margin: float


@dataclass(frozen=True)
class RegressionVerdict:
    """Whether the champion regressed significantly; `figures` is None with too few labels."""

    degraded: bool
    reason: str
    figures: RegressionFigures | None


def observed_quality(
    audited: Sequence[AuditLabel],
    labels: Sequence[str],
    bootstrap: BootstrapConfig,
    *,
    form: AnswerForm = ONE_LABEL,
) -> ObservedQuality | None:
    """Measure accuracy and macro F1 by audit labels, one a text cluster; None where there is none.

    Each label stands for `weight` texts. The interval of accuracy is Wilson's (1927), which holds near 0
    and 1 too, for the effective number of texts (Kish, 1965); that of macro F1 a percentile bootstrap over
    texts (Efron and Tibshirani, 1993). A true label that the release does not know counts as an error.
    """
    if not audited:
        return None
    if not form.one_label:
        return _observed_item_quality(audited, labels, bootstrap, form)
    weights_N = np.array([entry.weight for entry in audited])
    weights_N /= weights_N.sum()
    effective = float(1 / (weights_N**2).sum())
    extra = {name for entry in audited for name in (entry.label, entry.predicted)} - set(labels)
    index = {label: row for row, label in enumerate([*labels, *sorted(extra)])}
    cells_N = [index[entry.label] * len(index) + index[entry.predicted] for entry in audited]
    weights_NC = np.zeros((len(audited), len(index) ** 2))
    weights_NC[np.arange(len(audited)), cells_N] = weights_N
    shape = (-1, len(index), len(index))
    counts_LL = weights_NC.sum(axis=0).reshape(shape[1:])
    draws = bootstrap_weights(len(audited), resamples=bootstrap.resamples, seed=bootstrap.seed)
    counts_BLL = np.concatenate([block @ weights_NC for block in draws]).reshape(shape)
    # The labels that occur are the same in all resamples.
    f1_B = metrics.macro_f1(counts_BLL, counts_LL.sum(axis=-1) > 0)
    f1_low, f1_high = percentile_interval(f1_B, confidence=bootstrap.confidence)
    accuracy = min(1.0, float(np.trace(counts_LL)))
    low, high = wilson_interval(accuracy * effective, effective, confidence=bootstrap.confidence)
    return {
        "labels": len(audited),
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "macro_f1": float(metrics.macro_f1(counts_LL)),
        "macro_f1_low": f1_low,
        "macro_f1_high": f1_high,
    }


def _observed_item_quality(
    audited: Sequence[AuditLabel], labels: Sequence[str], bootstrap: BootstrapConfig, form: AnswerForm
) -> ObservedQuality:
    """Measure how many texts are right in all their items, and F1 over the items of each label."""
    place = {label: number for number, label in enumerate(labels)}

    def items(answer: str) -> frozenset[tuple[int, Hashable]]:
        # A label that the release does not know makes the text wrong, and is none of its labels.
        return frozenset((place[label], what) for label, what in form.items_of(answer) if label in place)

    pairs = [(entry.label, entry.predicted) for entry in audited]
    names = tuple(dict.fromkeys(one for pair in pairs for one in pair))
    number = {name: row for row, name in enumerate(names)}
    answers = metrics.AnswerItems(tuple(map(items, names)), len(labels), names)
    truth_N, said_N = (np.array([number[one] for one in column]) for column in zip(*pairs, strict=True))
    weights_N = np.array([entry.weight for entry in audited])
    weights_N /= weights_N.sum()
    sizes_AL = answers.sizes_AL
    tallies_NK = np.concatenate(
        [answers.shared(truth_N, said_N), sizes_AL[truth_N] + sizes_AL[said_N]], axis=1
    )
    weighted_NK = weights_N[:, None] * tallies_NK
    tally_2L, occurs_L = weighted_NK.sum(axis=0).reshape(2, -1), np.asarray(sizes_AL[truth_N].any(axis=0))
    draws = bootstrap_weights(len(audited), resamples=bootstrap.resamples, seed=bootstrap.seed)
    resampled = np.concatenate([block @ weighted_NK for block in draws]).reshape(-1, 2, len(labels))
    f1_B = metrics.tallied_macro_f1(resampled, occurs_L)
    f1_low, f1_high = percentile_interval(f1_B, confidence=bootstrap.confidence)
    right_N = [are_equal(form, *pair) for pair in pairs]
    accuracy, effective = min(1.0, float(weights_N @ right_N)), float(1 / (weights_N**2).sum())
    low, high = wilson_interval(accuracy * effective, effective, confidence=bootstrap.confidence)
    return {
        "labels": len(audited),
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "macro_f1": float(metrics.tallied_macro_f1(tally_2L, occurs_L)),
        "macro_f1_low": f1_low,
        "macro_f1_high": f1_high,
        "micro_f1": float(2 * tally_2L[0].sum() / tally_2L[1].sum()) if tally_2L[1].any() else 0.0,
    }


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
    audited: Sequence[AuditLabel],
    previous_predicted: Sequence[str],
    cfg: QualityConfig,
    *,
    confidence: float,
    champion: str,
    previous: str,
    form: AnswerForm = ONE_LABEL,
) -> RegressionVerdict:
    """Decide whether the champion lost accuracy against the previous release on the same texts.

    Where a text may have several labels or entities, it is the F1 of the items of each text, on the mean.

    `audited` are the audit labels of the champion's predictions, one a text cluster, in the order in which
    they were given; `champion` and `previous` are the names of the releases. Pass all labels since the
    promotion each time. Two things are asked. The loss must be no chance: the evidence of an e-process, which
    may be looked at as often as labels come in, must reach 1 / (1 - confidence), so a champion that is no
    worse is rolled back with a probability of at most 1 - confidence over its whole time. And the loss,
    estimated for all texts by the labels' inclusion probabilities, must be at least the margin.
    """
    assert len(audited) == len(previous_predicted)
    if len(audited) < cfg.min_labels:
        reason = (
            f"{len(audited):,} texts with an audit label are too few to judge a release "
            f"(watch.quality.min_labels is {cfg.min_labels:,})."
        )
        return RegressionVerdict(degraded=False, reason=reason, figures=None)
    figures = _regression_figures(audited, previous_predicted, cfg, confidence, form)
    measure = "an accuracy" if form.one_label else "a mean F1 of the items of a text"
    degraded = figures.evidence >= figures.needed and figures.drop >= figures.margin
    reason = (
        f"By {figures.labels:,} audit labels {champion} has {measure} of {figures.champion:.3f} "
        f"and {previous} of {figures.previous:.3f} on the same texts: {_outcome(figures)} "
        f"(watch.quality.rollback_margin is {figures.margin:.3f}; evidence against no loss "
        f"{figures.evidence:,.1f}, {figures.needed:,.0f} needed at any look)."
    )
    return RegressionVerdict(degraded, reason, figures)


def _regression_figures(
    audited: Sequence[AuditLabel],
    previous_predicted: Sequence[str],
    cfg: QualityConfig,
    confidence: float,
    form: AnswerForm,
) -> RegressionFigures:
    weights = [1 / entry.inclusion for entry in audited]
    ours = [item_f1(form, entry.label, entry.predicted) for entry in audited]
    theirs = [
        item_f1(form, entry.label, predicted)
        for entry, predicted in zip(audited, previous_predicted, strict=True)
    ]
    champion, previous = (float(np.average(right, weights=weights)) for right in (ours, theirs))
    return RegressionFigures(
        labels=len(audited),
        champion=champion,
        previous=previous,
        drop=previous - champion,
        evidence=evidence([theirs[row] - ours[row] for row in range(len(ours))], weights),
        needed=1 / (1 - confidence),
        margin=cfg.rollback_margin,
    )


def _outcome(figures: RegressionFigures) -> str:
    change = "no change"
    if figures.drop:
        change = f"a {'drop' if figures.drop > 0 else 'gain'} of {abs(figures.drop):.3f}"
    if figures.drop <= 0:
        return change
    if figures.evidence < figures.needed:
        return f"{change}, which may be chance"
    return f"{change}, no chance, {'below' if figures.drop < figures.margin else 'beyond'} the tolerated one"


def shortfall_evidence(
    audited: Sequence[AuditLabel], expected: float, *, form: AnswerForm = ONE_LABEL
) -> float:
    """Return the evidence that the accuracy lies below an expected one, at any look (`e_process.evidence`).

    `audited` are audit labels as in `detect_regression`.
    """
    values = [expected - float(are_equal(form, entry.predicted, entry.label)) for entry in audited]
    return evidence(values, [1 / entry.inclusion for entry in audited])
