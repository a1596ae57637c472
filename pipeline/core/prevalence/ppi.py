"""Prediction-powered inference: what a model's mean probabilities must be corrected by, from audit labels.

A model gives every text a probability of each label; audit labels say what some of the texts are. The mean
probability over all texts has no sampling error but the model's bias; the labels have no bias but are few.
The rectifier, the mean of truth less probability over the labelled texts, joins the two (Angelopoulos et al.,
2023). How far the probabilities are believed, the power, is tuned on the labels (PPI++: Angelopoulos, Duchi
and Zrnic, 2024): a model that knows nothing of a topic costs no more than not to have it.

The libraries were looked at: ppi-python has no clusters, no small samples and asks for numba and a download
tool; glide-py needs Python 3.12.

Legend: N labelled texts, L labels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.base.documents.audit import AuditLabel
from pipeline.core.prevalence.intervals import Array, away_from_ends

# Labels that chance made alike would claim no error. So many more texts count, with the variance that the
# model's own probabilities imply. In `make bench` 100 labels then cover a share of 0.05 too.
PRIOR_TEXTS = 2.0


@dataclass(frozen=True)
class LabelledTexts:
    """Labelled texts as arrays, NxL: probabilities, prediction and ground truth (both one-hot).

    The weights sum to 1.
    """

    probabilities_NL: Array
    predicted_NL: Array
    truth_NL: Array
    weights_N: Array

    @classmethod
    def of(
        cls, audited: Sequence[AuditLabel], labels: Sequence[str], weights: Sequence[float]
    ) -> "LabelledTexts":
        """Collect audit labels; a truth that the release does not know is none of its labels."""
        columns_NL = (
            [entry.probabilities for entry in audited],
            [[entry.predicted == label for label in labels] for entry in audited],
            [[entry.label == label for label in labels] for entry in audited],
        )
        shape, weights_N = (len(audited), len(labels)), np.asarray(weights, dtype=np.float64)
        probabilities_NL, predicted_NL, truth_NL = (
            np.array(column_NL, dtype=np.float64).reshape(shape) for column_NL in columns_NL
        )
        return cls(probabilities_NL, predicted_NL, truth_NL, weights_N / weights_N.sum())

    @property
    def effective(self) -> float:
        """Return how many equally weighted texts would have as small an error (Kish, 1965)."""
        return float(1 / (self.weights_N**2).sum())


@dataclass(frozen=True)
class Population:
    """The mean probability of each label over the texts that the labelled ones were drawn from."""

    mean_L: Array
    texts: float


@dataclass(frozen=True)
class Rectifier:
    """What the mean probabilities of a release lack in a topic.

    `variance_L` is that of `mean_L`, `residual_L` that of truth less probability of one text, and `ratio_L`
    the variance of one labelled text beside that of its truth alone. There are `labels` labelled texts, worth
    `effective` equally weighted ones; `freedom` are the degrees of freedom of the variance, and `power` is
    how far the probabilities are believed, from 0 to 1. `raw_bias` is the mean square of what the raw shares
    lack, beyond `raw_chance`, what chance alone would give.
    """

    mean_L: Array
    variance_L: Array
    residual_L: Array
    ratio_L: Array
    effective: float
    freedom: float
    labels: int
    power: float
    raw_bias: float
    raw_chance: float


def first_labels(audited: Iterable[AuditLabel]) -> list[AuditLabel]:
    """Return one audit label for each text cluster, in the order in which they were given.

    The first one counts: a second opinion shows how far people agree, and the same text sent a hundred times
    has one vote. Labels of another origin are left out.
    """
    firsts: dict[str, AuditLabel] = {}
    ours = (entry for entry in audited if entry.origin == "audit")
    for entry in sorted(ours, key=lambda entry: (entry.labelled_at, entry.request, entry.position)):
        firsts.setdefault(entry.cluster, entry)
    return list(firsts.values())


def measure_rectifier(texts: LabelledTexts, population: Population | None) -> Rectifier:
    """Measure the rectifier on labelled texts.

    Without the population's mean probabilities the power is 1. The variance is that of a weighted mean, by
    the squares of what each text adds to it.
    """
    weights_N, effective = texts.weights_N, texts.effective
    residual_NL = texts.truth_NL - texts.probabilities_NL
    power = _power(texts, population.texts) if population else 1.0
    tuned_NL = texts.truth_NL - power * texts.probabilities_NL
    mean_L: Array = weights_N @ tuned_NL
    if population:
        mean_L = mean_L - (1 - power) * population.mean_L
    variance_L = _unit_variance(tuned_NL, texts, power) / effective
    return Rectifier(
        mean_L,
        variance_L,
        _unit_variance(residual_NL, texts, 1.0),
        _ratio(tuned_NL, texts),
        effective,
        max(1.0, effective - 1),
        len(weights_N),
        power,
        *_raw_bias(texts),
    )


def _power(texts: LabelledTexts, population: float) -> float:
    """Tune one power for all labels, so that the shares still sum to 1."""
    weights_N = texts.weights_N[:, None]
    probabilities_NL = texts.probabilities_NL - (weights_N * texts.probabilities_NL).sum(axis=0)
    spread = float((weights_N * probabilities_NL**2).sum())
    if spread <= 0:
        return 1.0
    slope = float((weights_N * probabilities_NL * texts.truth_NL).sum()) / spread
    return min(1.0, max(0.0, slope / (1 + texts.effective / max(population, 1.0))))


def _unit_variance(values_NL: Array, texts: LabelledTexts, power: float) -> Array:
    """Estimate the variance of one text's value, with PRIOR_TEXTS of the variance that the model implies."""
    weights_N, effective = texts.weights_N, texts.effective
    implied_NL = texts.probabilities_NL * (1 - texts.probabilities_NL)
    spread_NL = (texts.probabilities_NL - weights_N @ texts.probabilities_NL) ** 2
    prior_L = weights_N @ (implied_NL + (1 - power) ** 2 * spread_NL)
    variance_L: Array = (_squares(values_NL, texts) + PRIOR_TEXTS * prior_L) / (effective - 1 + PRIOR_TEXTS)
    return variance_L


def _raw_bias(texts: LabelledTexts) -> tuple[float, float]:
    error_NL = texts.truth_NL - texts.predicted_NL
    freedom = max(texts.effective - 1, 1e-3)
    chance = float((_squares(error_NL, texts) / freedom / texts.effective).mean())
    return float(((texts.weights_N @ error_NL) ** 2).mean()) - chance, chance


def trust(own: Rectifier, topics: Sequence[Rectifier]) -> float:
    """Return how far a corrected share is believed against the raw one, from 0 to 1.

    Raw shares are biased but err little by chance; where the labels find no more bias than chance explains,
    they are the better guess. This is empirical Bayes (Green and Strawderman, 1991), with the bias that
    topics have on the mean, or the topic's own where that is larger.
    """
    usual = sum(topic.raw_bias for topic in topics) / max(len(topics), 1)
    bias = max(0.0, own.raw_bias, usual)
    return bias / (bias + own.raw_chance) if bias else 0.0


def _squares(values_NL: Array, texts: LabelledTexts) -> Array:
    """Sum the squares of what each text's value differs from the mean, as of equally weighted texts."""
    weights_N = texts.weights_N
    squares_NL = (weights_N[:, None] * (values_NL - weights_N @ values_NL)) ** 2
    squares_L: Array = squares_NL.sum(axis=0) * texts.effective**2
    return squares_L


def _ratio(tuned_NL: Array, texts: LabelledTexts) -> Array:
    """Compare the variance with that of the truth; one square more on both sides, so no label proves none."""
    ratio_L: Array = (_squares(tuned_NL, texts) + 1) / (_squares(texts.truth_NL, texts) + 1)
    return ratio_L


def pool(own: Rectifier, others: Sequence[Rectifier]) -> Rectifier:
    """Pool a topic's few labels with the rectifiers of other topics, of which at least three are needed.

    The topic is taken for one more of their kind: their mean and their variance, sampling error and all, say
    where its rectifier may lie, with the degrees of freedom of so few topics; its own labels say the rest
    (Henderson, 1975). The variance between topics is not made smaller by what chance alone could explain, so
    the interval errs on the wide side.
    """
    assert len(others) >= 3
    means_TL = np.array([other.mean_L for other in others])
    residual_L = np.mean([other.residual_L for other in others], axis=0)
    between_L = means_TL.var(axis=0, ddof=1) * (1 + 1 / len(others))
    own_L = np.maximum(residual_L, own.residual_L) / own.effective
    # One weight for all labels, so that the shares still sum to 1.
    weight = float(between_L.sum() / max(between_L.sum() + own_L.sum(), 1e-12))
    mean_L = weight * own.mean_L + (1 - weight) * means_TL.mean(axis=0)
    variance_L = weight**2 * own_L + (1 - weight) ** 2 * between_L
    return replace(
        own,
        mean_L=mean_L,
        variance_L=variance_L,
        residual_L=residual_L,
        ratio_L=np.zeros_like(mean_L),
        freedom=float(len(others) - 1),
    )


def share_variance(share_L: Array, rectifier: Rectifier) -> Array:
    """Return the variance of corrected shares that the labels cause.

    Few labels of a rare kind are alike by chance, and would claim no error. So it is at least that of the
    share itself, as of so many labels, times how much smaller the model makes it.
    """
    centre_L = away_from_ends(share_L, rectifier.labels)
    own_L = rectifier.ratio_L * centre_L * (1 - centre_L) / rectifier.effective
    variance_L: Array = np.maximum(rectifier.variance_L, own_L)
    return variance_L
