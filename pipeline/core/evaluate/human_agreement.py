"""Human agreement on the test texts: the score that raters reach against each other.

Legend: L labels, R raters of one text, D draws. A table LxL holds shares of texts, truth by prediction, and
serves `metrics` as confusion counts do.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config.sources import RatingRule
from pipeline.base.documents import AgreementScores, HumanAgreement, Scores
from pipeline.base.records import TextRecord
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate import metrics

Table = NDArray[np.float64]

# Random halves of the raters of a text; over seeds the scores of 3,000 texts vary by less than 0.001.
DRAWS = 100


def human_agreement(
    records: Sequence[TextRecord],
    rules: Mapping[str, RatingRule],
    predicted: Sequence[int],
    labels: Sequence[str],
    seed: int,
) -> HumanAgreement | None:
    """Measure one rater, half the raters and the candidate; None where no text has the ratings of its raters.

    one_rater: a random rater of each text against the mean of the others, as an expectation over all raters.
    ceiling: one random half of the raters against the other half, over `DRAWS` seeded draws.
    candidate: `predicted`, as indices of `labels`, against the label. `rules` holds the rating rule of each
    source.
    """
    random = np.random.default_rng(seed_for(seed, "evaluate", "human"))
    tables: dict[str, dict[str, Table]] = defaultdict(
        lambda: defaultdict(lambda: np.zeros((len(labels), len(labels))))
    )
    texts = 0
    for record, label in zip(records, predicted, strict=True):
        ratings_R = np.array([float(rating) for rating in record.raters.split()])
        if len(ratings_R) < 2 or record.source not in rules:
            continue
        texts += 1
        rule, of_source = rules[record.source], tables[record.source]
        of_source["one_rater"] += one_rater(ratings_R, rule)
        of_source["ceiling"] += ceiling(ratings_R, rule, random)
        of_source["candidate"][labels.index(record.label), label] += 1
    if not texts:
        return None
    overall = {
        name: sum((of_source[name] for of_source in tables.values()), start=np.zeros((1, 1)))
        for name in ("one_rater", "ceiling", "candidate")
    }
    return {
        "texts": texts,
        **_scores(overall),
        "per_source": {source: _scores(tables[source]) for source in sorted(tables)},
    }


def one_rater(ratings_R: NDArray[np.float64], rule: RatingRule) -> Table:
    """Return the LxL table of one text, label by the other raters' mean against label by one rater.

    It is the average over all raters; `rule` turns a rating into a label.
    """
    others_R = (ratings_R.sum() - ratings_R) / (len(ratings_R) - 1)
    return _shares(others_R, ratings_R, rule)


def ceiling(ratings_R: NDArray[np.float64], rule: RatingRule, random: np.random.Generator) -> Table:
    """Return the LxL table of one text, label by one random half of the raters against the other half.

    It is the average over `DRAWS` halves; `rule` turns a mean rating into a label.
    """
    drawn_DR = random.permuted(np.tile(ratings_R, (DRAWS, 1)), axis=1)
    half = len(ratings_R) // 2
    return _shares(drawn_DR[:, half:].mean(axis=1), drawn_DR[:, :half].mean(axis=1), rule)


def _shares(truth: NDArray[np.float64], predicted: NDArray[np.float64], rule: RatingRule) -> Table:
    # Ratings have three labels, as CollectConfig validates.
    pairs = [
        rule.label(true) * 3 + rule.label(other)
        for true, other in zip(truth.tolist(), predicted.tolist(), strict=True)
    ]
    return np.bincount(pairs, minlength=9).reshape(3, 3) / len(pairs)


def _scores(tables: Mapping[str, Table]) -> AgreementScores:
    def scores(name: str) -> Scores:
        table_LL = tables[name]
        return {"accuracy": float(metrics.accuracy(table_LL)), "macro_f1": float(metrics.macro_f1(table_LL))}

    return {
        "one_rater": scores("one_rater"),
        "ceiling": scores("ceiling"),
        "candidate": scores("candidate"),
    }
