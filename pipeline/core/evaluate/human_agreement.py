"""Human agreement on the test texts: how good the mean of k raters is beside the candidate.

Legend: L labels, R raters of one text, D draws, G groups, P predictors (candidate, raters), B resamples. A
table LxL holds shares of texts, truth by prediction, and serves `metrics` as confusion counts do.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config.table_section import RatingRule
from pipeline.base.documents import AgreementScores, HumanAgreement, PanelAgreement, Scores
from pipeline.base.records import TextRecord
from pipeline.core.evaluate import bootstrap, metrics
from pipeline.core.evaluate.bootstrap import BootstrapConfig

Table = NDArray[np.float64]

# Random divisions of the raters of a text; over seeds the scores of 3,000 texts vary by less than 0.001.
DRAWS = 100
# How many raters' means are compared with the candidate.
PANELS = (1, 2, 3, 5, 10)
# All raters that are not of the reference.
REST = 0
# A rating has three labels, as CollectConfig validates.
LABELS = 3


@dataclass(frozen=True)
class _RatedText:
    """One text: its group, the table of candidate against label, and those of candidate and panel by size."""

    group: str
    candidate_LL: Table
    panels: Mapping[int, Table]


def human_agreement(
    records: Sequence[TextRecord],
    rules: Mapping[str, RatingRule],
    predicted: Sequence[int],
    labels: Sequence[str],
    sampling: BootstrapConfig,
) -> HumanAgreement | None:
    """Compare the candidate with the mean of k raters; None where no text has the ratings of its raters.

    A random half of a text's raters gives the label that both are measured against, and k of the others are
    the panel, over `DRAWS` seeded draws; the interval of the difference is a paired bootstrap over groups.
    `predicted` are indices of `labels`; `rules` holds the rating rule of each source.
    """
    random = np.random.default_rng(sampling.seed)
    by_source: dict[str, list[_RatedText]] = defaultdict(list)
    for record, label in zip(records, predicted, strict=True):
        ratings_R = np.array([float(rating) for rating in record.raters.split()])
        if len(ratings_R) >= 2 and record.source in rules:
            candidate_LL = np.zeros((LABELS, LABELS))
            candidate_LL[labels.index(record.label), label] = 1.0
            panels = panel_tables(ratings_R, rules[record.source], label, random)
            by_source[record.source].append(_RatedText(record.group, candidate_LL, panels))
    if not by_source:
        return None
    texts = [text for rated in by_source.values() for text in rated]
    return {
        "texts": len(texts),
        "confidence": sampling.confidence,
        **_agreement(texts, sampling),
        "per_source": {source: _agreement(by_source[source], sampling) for source in sorted(by_source)},
    }


def panel_tables(
    ratings_R: NDArray[np.float64], rule: RatingRule, predicted: int, random: np.random.Generator
) -> dict[int, Table]:
    """Return for each panel the 2xLxL tables of one text: the candidate and the mean of the panel.

    Truth is the label by the mean of a random half of the raters. A panel of `REST` are all the others; a
    text has no panel larger than that.
    """
    drawn_DR = random.permuted(np.tile(ratings_R, (DRAWS, 1)), axis=1)
    half = len(ratings_R) // 2
    truth_D = _labels(drawn_DR[:, :half].mean(axis=1), rule)
    others = len(ratings_R) - half
    sizes = {REST: others} | {size: size for size in PANELS if size <= others}
    candidate_LL = _shares(truth_D, np.full(DRAWS, predicted))
    return {
        panel: np.stack(
            [candidate_LL, _shares(truth_D, _labels(drawn_DR[:, half : half + size].mean(axis=1), rule))]
        )
        for panel, size in sizes.items()
    }


def perfect_score(halves: float) -> float:
    """Extrapolate the score of somebody who knows the mean of infinitely many raters, against the label.

    `halves` is the score of one half of the raters against the other. The share of texts on which two means
    fall on different sides of a limit grows with the standard deviation of their difference, as long as that
    is small beside the spread of the texts: two halves of n raters differ by a variance of 4/n, the mean of
    all raters and the perfect one by 1/n. So the error against the label is half of that between the halves.
    """
    return 1 - (1 - halves) / 2


def _agreement(texts: Sequence[_RatedText], sampling: BootstrapConfig) -> AgreementScores:
    halves_LL = np.sum([text.panels[REST][1] for text in texts], axis=0)
    halves = _scores(halves_LL)
    return {
        "candidate": _scores(np.sum([text.candidate_LL for text in texts], axis=0)),
        "panels": [
            _panel(size, [text for text in texts if size in text.panels], sampling)
            for size in PANELS
            if any(size in text.panels for text in texts)
        ],
        "limit": {
            "macro_f1": perfect_score(halves["macro_f1"]),
            "accuracy": perfect_score(halves["accuracy"]),
        },
    }


def _panel(size: int, texts: Sequence[_RatedText], sampling: BootstrapConfig) -> PanelAgreement:
    names, group_N = np.unique([text.group for text in texts], return_inverse=True)
    tables_GPLL = np.zeros((len(names), 2, LABELS, LABELS))
    np.add.at(tables_GPLL, group_N, np.stack([text.panels[size] for text in texts]))
    resampled = bootstrap.bootstrap_sums(tables_GPLL, resamples=sampling.resamples, seed=sampling.seed)
    macro_f1_BP = metrics.macro_f1(resampled)
    low, high = bootstrap.percentile_interval(
        macro_f1_BP[:, 0] - macro_f1_BP[:, 1], confidence=sampling.confidence
    )
    candidate, panel = map(_scores, tables_GPLL.sum(axis=0))
    return {
        "raters": size,
        "texts": len(texts),
        "panel": panel,
        "candidate": candidate,
        "difference": candidate["macro_f1"] - panel["macro_f1"],
        "low": low,
        "high": high,
    }


def _labels(ratings_D: NDArray[np.float64], rule: RatingRule) -> NDArray[np.int64]:
    """Label many ratings, as `RatingRule.label` does one."""
    high_D = np.where(ratings_D >= rule.positive_from, 2, 1)
    return np.where(ratings_D <= rule.negative_to, 0, high_D)


def _shares(truth_D: NDArray[np.int64], predicted_D: NDArray[np.int64]) -> Table:
    cells = np.bincount(truth_D * LABELS + predicted_D, minlength=LABELS * LABELS)
    return cells.reshape(LABELS, LABELS) / len(truth_D)


def _scores(table_LL: Table) -> Scores:
    return {"macro_f1": float(metrics.macro_f1(table_LL)), "accuracy": float(metrics.accuracy(table_LL))}
