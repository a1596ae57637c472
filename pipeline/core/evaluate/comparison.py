"""Candidate against champion on the same texts: a paired bootstrap of figures, and changed predictions.

Legend: B resamples.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import GateConfig
from pipeline.base.documents import (
    ChangedPredictions,
    Comparison,
    Difference,
    ForgettingDifference,
    McNemarTest,
    SliceDifference,
)
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate import bootstrap, significance
from pipeline.core.evaluate.paired_bootstrap import PairedMetric, PairedPredictions, paired_metrics


@dataclass(frozen=True)
class SourcePredictions:
    """Predictions on a source of the champion's training data; `data_version` is empty for today's texts."""

    pair: PairedPredictions
    data_version: str


def compare_models(
    pair: PairedPredictions,
    *,
    champion: str,
    labels: Sequence[str],
    slices: Mapping[str, Sequence[int]],
    gate: GateConfig,
    seed: int,
) -> Comparison:
    """Compare both models by a paired bootstrap over groups (Efron and Tibshirani, 1993).

    `slices` are positions of texts; one that holds all texts is left out. Each label that occurs adds its F1
    to the slices, named `class=negative`; `forgetting` stays empty.

    Raises DataRejected where there is no text to compare on.
    """
    overall, *subsets = paired_metrics(
        pair,
        slices,
        labels,
        resamples=_resamples(gate, len(slices) + len(labels)),
        seed=seed_for(seed, "gate", "compare"),
    )
    return {
        "champion": champion,
        "texts": len(pair.truth),
        "confidence": gate.confidence,
        "power": gate.power,
        "margin": gate.slice_margin,
        "forgetting_margin": gate.forgetting_margin,
        "macro_f1": {
            **_difference(overall, gate),
            "minimum_detectable": _minimum_detectable(overall, (1 - gate.confidence) / 2, gate),
        },
        "mcnemar": _mcnemar(pair),
        "slices": significant_drops(subsets, margin=gate.slice_margin, gate=gate),
        "forgetting": [],
        "changed": _changed(pair, labels, limit=gate.changed_listed),
    }


def measure_forgetting(
    sources: Mapping[str, SourcePredictions], *, labels: Sequence[str], gate: GateConfig, seed: int
) -> list[ForgettingDifference]:
    """Compare both models on each source of the champion's training data, tested as `significant_drops` does.

    Raises DataRejected where a source has no text to compare on.
    """
    resamples = _resamples(gate, len(sources))
    paired = [
        paired_metrics(
            source.pair,
            {},
            labels,
            resamples=resamples,
            seed=seed_for(seed, "gate", "forgetting", name),
            name=f"source={name}",
        )[0]
        for name, source in sorted(sources.items())
    ]
    rows = significant_drops(paired, margin=gate.forgetting_margin, gate=gate)
    versions = [source.data_version for _, source in sorted(sources.items())]
    return [{**row, "data_version": version} for row, version in zip(rows, versions, strict=True)]


def significant_drops(
    paired: Sequence[PairedMetric], *, margin: float, gate: GateConfig
) -> list[SliceDifference]:
    """Test each figure for a drop beyond the margin: significant if `p_holm` <= 1 - `gate.confidence`."""
    alpha = (1 - gate.confidence) / max(1, len(paired))
    p_values = [_p_value(metric, margin) for metric in paired]
    return [
        {
            "name": metric.name,
            "texts": metric.texts,
            **_difference(metric, gate),
            "p": p,
            "p_holm": p_holm,
            "bound": _upper_bound(metric.differences_B, alpha),
            "minimum_detectable": margin + _minimum_detectable(metric, alpha, gate),
        }
        for metric, p, p_holm in zip(paired, p_values, significance.holm(p_values), strict=True)
    ]


def _resamples(gate: GateConfig, figures: int) -> int:
    # The smallest p of B resamples is 1/(B+1); it must lie below Holm's first step also with many slices.
    return max(gate.resamples, math.ceil(figures / (1 - gate.confidence)))


def _difference(metric: PairedMetric, gate: GateConfig) -> Difference:
    low, high = bootstrap.percentile_interval(metric.differences_B, confidence=gate.confidence)
    if significance.smallest_p(metric.differing_groups) > (1 - gate.confidence) / 2:
        # With so few differing groups, swapping the models' names at random may give the same difference.
        low, high = min(low, 0.0), max(high, 0.0)
    return {
        "candidate": metric.candidate,
        "champion": metric.champion,
        "difference": metric.candidate - metric.champion,
        "low": low,
        "high": high,
    }


def _minimum_detectable(metric: PairedMetric, alpha: float, gate: GateConfig) -> float:
    spread = float(metric.differences_B.std())
    return significance.minimum_detectable(spread, metric.texts, alpha=alpha, power=gate.power)


def _p_value(metric: PairedMetric, margin: float) -> float:
    within = int((metric.differences_B >= -margin).sum())
    p = (1 + within) / (1 + len(metric.differences_B))
    return max(p, significance.smallest_p(metric.differing_groups))


def _upper_bound(differences_B: NDArray[np.float64], alpha: float) -> float:
    """Return the difference at which p would just exceed `alpha` if minus the margin were there."""
    above = max(1, math.floor(alpha * (1 + len(differences_B))))
    return float(np.partition(differences_B, -above)[-above])


def _mcnemar(pair: PairedPredictions) -> McNemarTest:
    correct = [
        (candidate == label, champion == label)
        for label, candidate, champion in zip(pair.truth, pair.candidate, pair.champion, strict=True)
    ]
    candidate, champion = correct.count((True, False)), correct.count((False, True))
    p = significance.mcnemar(candidate, champion)
    return {"only_candidate": candidate, "only_champion": champion, "p": p}


def _changed(pair: PairedPredictions, labels: Sequence[str], *, limit: int) -> ChangedPredictions:
    rows = [row for row, label in enumerate(pair.candidate) if label != pair.champion[row]]
    fixed = [row for row in rows if pair.candidate[row] == pair.truth[row]]
    broken = [row for row in rows if pair.champion[row] == pair.truth[row]]
    order = [*broken, *fixed, *sorted(set(rows).difference(broken, fixed))]
    return {
        "count": len(rows),
        "fixed": len(fixed),
        "broken": len(broken),
        "texts": [
            {
                "id": pair.ids[row],
                "label": labels[pair.truth[row]],
                "champion": labels[pair.champion[row]],
                "candidate": labels[pair.candidate[row]],
            }
            for row in order[:limit]
        ],
    }
