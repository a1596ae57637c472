"""Candidate against champion on the same texts: a paired bootstrap of figures, and changed predictions.

Legend: B resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base.config import GateConfig
from pipeline.base.documents import (
    ChangedPredictions,
    Comparison,
    ForgettingDifference,
    Look,
    McNemarTest,
    OverallDifference,
)
from pipeline.base.seeds import seed_for
from pipeline.base.tasks.scores import LOG_LIKELIHOOD, MACRO_F1, ScoreKey
from pipeline.core.evaluate import significance
from pipeline.core.evaluate.paired_bootstrap import PairedMetric, PairedPredictions, paired_metrics
from pipeline.core.evaluate.regressions import HeldAgainst, difference_interval, regression_rows

# A bound that claims nothing: no macro F1 falls by more than all of it, and no token loses so many nats.
LOWEST = {MACRO_F1: -1.0, LOG_LIKELIHOOD: -1e6}


@dataclass(frozen=True)
class SourcePredictions:
    """Predictions on a source of the champion's training data; `data_version` is empty for today's texts."""

    pair: PairedPredictions
    data_version: str


@dataclass(frozen=True)
class Anchor:
    """An earlier release that slices are held against: its predictions as those of the champion.

    `rows` are the texts that it did not learn from.
    """

    release: str
    pair: PairedPredictions
    rows: Sequence[int]


def compare_models(
    pair: PairedPredictions,
    *,
    champion: str,
    labels: Sequence[str],
    slices: Mapping[str, Sequence[int]],
    gate: GateConfig,
    seed: int,
    look: Look,
    anchors: Sequence[Anchor] = (),
) -> Comparison:
    """Compare both models by a paired bootstrap over groups (Efron and Tibshirani, 1993).

    `slices` are positions of texts; one that holds all texts is left out. Each label that occurs adds its F1
    to the slices, named `class=negative`; `forgetting`, `abilities` and `attack` stay empty.

    Raises DataRejected where there is no text to compare on.
    """
    draw = seed_for(seed, "gate", "compare")
    overall, *subsets = paired_metrics(pair, slices, labels, resamples=gate.resamples, seed=draw)
    family = [HeldAgainst(champion, metric) for metric in subsets]
    for anchor in anchors:
        family += _anchored(anchor, slices, labels, resamples=gate.resamples, seed=draw)
    return {
        "champion": champion,
        "texts": len(pair.truth),
        "confidence": gate.confidence,
        "power": gate.power,
        "margin": gate.slice_margin,
        "forgetting_margin": gate.forgetting_margin,
        "ability_margin": gate.ability_margin,
        "attack_margin": gate.attack_margin,
        "look": look,
        "anchors": [anchor.release for anchor in anchors],
        "left_out": [],
        pair.score: _overall(overall, look, gate, pair.score),  # type: ignore[misc]
        "mcnemar": _mcnemar(pair),
        "slices": regression_rows(family, margin=gate.slice_margin, gate=gate),
        "forgetting": [],
        "abilities": [],
        "attack": [],
        "changed": _changed(pair, pair.items.names if pair.items else labels, limit=gate.changed_listed),
    }


def measure_forgetting(
    sources: Mapping[str, SourcePredictions],
    *,
    champion: str,
    labels: Sequence[str],
    gate: GateConfig,
    seed: int,
) -> list[ForgettingDifference]:
    """Compare both models on each source of the champion's training data, tested as `regression_rows` does.

    Raises DataRejected where a source has no text to compare on.
    """
    family = [
        HeldAgainst(
            champion,
            paired_metrics(
                source.pair,
                {},
                labels,
                resamples=gate.resamples,
                seed=seed_for(seed, "gate", "forgetting", name),
                name=f"source={name}",
            )[0],
        )
        for name, source in sorted(sources.items())
    ]
    rows = regression_rows(family, margin=gate.forgetting_margin, gate=gate)
    versions = [source.data_version for _, source in sorted(sources.items())]
    return [{**row, "data_version": version} for row, version in zip(rows, versions, strict=True)]


def _anchored(
    anchor: Anchor, slices: Mapping[str, Sequence[int]], labels: Sequence[str], *, resamples: int, seed: int
) -> list[HeldAgainst]:
    # The groups and the seed are those of the champion: the draws are shared, as max-T needs.
    _, *metrics = paired_metrics(
        anchor.pair,
        _within(slices, anchor.rows),
        labels,
        resamples=resamples,
        seed=seed,
        name=anchor.release,
        rows=anchor.rows,
    )
    return [HeldAgainst(anchor.release, metric) for metric in metrics]


def _within(slices: Mapping[str, Sequence[int]], rows: Sequence[int]) -> dict[str, list[int]]:
    members = frozenset(rows)
    return {name: [row for row in subset if row in members] for name, subset in slices.items()}


def _overall(metric: PairedMetric, look: Look, gate: GateConfig, key: ScoreKey) -> OverallDifference:
    lower = significance.lower_bound(
        metric.difference, metric.spread, groups=metric.differing_groups, level=look["level"]
    )
    low, high = difference_interval(metric, gate)
    # An exhausted budget claims nothing: no difference is below the worst one.
    level = look["level"] or (1 - gate.confidence) / 2
    return {
        "candidate": metric.candidate,
        "champion": metric.champion,
        "difference": metric.difference,
        "low": low,
        "high": high,
        "lower": max(lower, LOWEST[key]),
        "minimum_detectable": significance.minimum_detectable(
            metric.spread, metric.texts, alpha=level, power=gate.power
        ),
    }


def _mcnemar(pair: PairedPredictions) -> McNemarTest:
    right = (pair.are_equal(pair.truth, answers) for answers in (pair.candidate, pair.champion))
    correct = list(zip(*right, strict=True))
    candidate, champion = correct.count((True, False)), correct.count((False, True))
    p = significance.mcnemar(candidate, champion)
    return {"only_candidate": candidate, "only_champion": champion, "p": p}


def _changed(pair: PairedPredictions, names: Sequence[str], *, limit: int) -> ChangedPredictions:
    is_same = pair.are_equal(pair.candidate, pair.champion)
    fixes, breaks = (pair.are_equal(answers, pair.truth) for answers in (pair.candidate, pair.champion))
    rows = [row for row, same in enumerate(is_same) if not same]
    fixed, broken = [row for row in rows if fixes[row]], [row for row in rows if breaks[row]]
    order = [*broken, *fixed, *sorted(set(rows).difference(broken, fixed))]
    return {
        "count": len(rows),
        "fixed": len(fixed),
        "broken": len(broken),
        "texts": [
            {
                "id": pair.ids[row],
                "label": names[pair.truth[row]],
                "champion": names[pair.champion[row]],
                "candidate": names[pair.candidate[row]],
            }
            for row in order[:limit]
        ],
    }
