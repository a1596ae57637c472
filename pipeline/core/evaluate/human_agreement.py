"""What people reach on the same texts: how far labels made of opinions let anyone go.

Legend: L labels, R raters of one text, D draws. A table LxL holds shares of texts, truth by guess, so it serves `metrics` as counts do.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config.sources import RatingRule
from pipeline.base.records import TextRecord
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate import metrics

Table = NDArray[np.float64]

# Ways to part one text's raters; from one seed to the next the figures of 3,000 texts move by less than 0.001.
DRAWS = 100


def human_agreement(
    records: Sequence[TextRecord],
    rules: Mapping[str, RatingRule],
    guesses: Sequence[int],
    labels: Sequence[str],
    seed: int,
) -> dict[str, Any] | None:
    """Set one rater, half the panel and the candidate beside each other; None where no text tells what its raters gave.

    one_rater: a rater drawn from each text against the label by the mean of the others, as an expectation over all draws.
    ceiling: one random half of the raters against the other half, over `DRAWS` seeded draws.
    candidate: `guesses`, by their index in `labels`, against the label. `rules` names the cuts of each source that was rated.
    """
    random = np.random.default_rng(seed_for(seed, "evaluate", "human"))
    tables: dict[str, dict[str, Table]] = defaultdict(
        lambda: defaultdict(lambda: np.zeros((len(labels), len(labels))))
    )
    texts = 0
    for record, guess in zip(records, guesses, strict=True):
        given_R = np.array([float(rating) for rating in record.raters.split()])
        if len(given_R) < 2 or record.source not in rules:
            continue
        texts += 1
        rule, of_source = rules[record.source], tables[record.source]
        of_source["one_rater"] += one_rater(given_R, rule)
        of_source["ceiling"] += ceiling(given_R, rule, random)
        of_source["candidate"][labels.index(record.label), guess] += 1
    if not texts:
        return None
    overall = {
        who: _figures(sum(of_source[who] for of_source in tables.values()))
        for who in ("one_rater", "ceiling", "candidate")
    }
    per_source = {
        name: {who: _figures(table) for who, table in tables[name].items()} for name in sorted(tables)
    }
    return {"texts": texts, **overall, "per_source": per_source}


def one_rater(given_R: NDArray[np.float64], rule: RatingRule) -> Table:
    """Share out one text over (label by the mean of the others, label by the one), each rater being the one alike often."""
    others_R = (given_R.sum() - given_R) / (len(given_R) - 1)
    return _shares(others_R, given_R, rule)


def ceiling(given_R: NDArray[np.float64], rule: RatingRule, random: np.random.Generator) -> Table:
    """Share out one text over (label by the mean of one half, label by the other's), over random halves; odd ones differ by one."""
    drawn_DR = random.permuted(np.tile(given_R, (DRAWS, 1)), axis=1)
    half = len(given_R) // 2
    return _shares(drawn_DR[:, half:].mean(axis=1), drawn_DR[:, :half].mean(axis=1), rule)


def _shares(truth: NDArray[np.float64], guess: NDArray[np.float64], rule: RatingRule) -> Table:
    # Ratings give three labels; CollectConfig sees to it.
    pairs = [
        rule.label(one) * 3 + rule.label(other)
        for one, other in zip(truth.tolist(), guess.tolist(), strict=True)
    ]
    return np.bincount(pairs, minlength=9).reshape(3, 3) / len(pairs)


def _figures(table_LL: Any) -> dict[str, float]:
    return {"accuracy": float(metrics.accuracy(table_LL)), "macro_f1": float(metrics.macro_f1(table_LL))}
