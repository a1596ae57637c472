"""Candidate against champion on the same texts: what differs, how sure we are of it, and what could not have been seen.

Legend: N texts, G groups, S sets of texts (all of them, then each slice), M models (candidate, champion), L labels, C labels that occur,
B resamples, K figures (macro F1 of each set, then F1 of each label that occurs).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import GateConfig
from pipeline.base.errors import DataRejected
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate import bootstrap, metrics, significance


@dataclass(frozen=True)
class PairedPredictions:
    """Hold N texts' truth beside both answers; labels by index. The texts of one group resemble each other."""

    ids: Sequence[str]
    truth: Sequence[int]
    candidate: Sequence[int]
    champion: Sequence[int]
    groups: Sequence[Any]


@dataclass(frozen=True)
class PairedMetric:
    """Hold one figure of both models, the differences of B resamples, and in how many groups the models' counts differ."""

    name: str
    texts: int
    candidate: float
    champion: float
    gains: NDArray[np.float64]
    differing: int


def compare_models(
    pair: PairedPredictions,
    *,
    champion: str,
    labels: Sequence[str],
    slices: Mapping[str, Sequence[int]],
    gate: GateConfig,
    seed: int,
) -> dict[str, Any]:
    """Build the document of a comparison by a paired bootstrap over groups (Efron and Tibshirani, 1993); equal inputs give equal values.

    `slices` are positions; to them each label that occurs adds its own F1, as `class=negative`. A slice that holds all texts is left
    out: it is the whole once more. `low` and `high` are two-sided. `visible` is the smallest gain that would show with `gate.power`.
    Of slices see `surely_worse`. `forgetting` is left empty.
    Raises DataRejected when there is no text to compare on.
    """
    whole, *parts = _figures(
        pair,
        slices,
        labels,
        resamples=_enough(gate, len(slices) + len(labels)),
        seed=seed_for(seed, "gate", "compare"),
    )
    alpha = (1 - gate.confidence) / 2
    spread = float(whole.gains.std())
    return {
        "champion": champion,
        "texts": len(pair.truth),
        "confidence": gate.confidence,
        "power": gate.power,
        "margin": gate.slice_margin,
        "forgetting_margin": gate.forgetting_margin,
        "macro_f1": {
            **_difference(whole, gate),
            "visible": significance.minimum_detectable(spread, whole.texts, alpha=alpha, power=gate.power),
        },
        "mcnemar": _mcnemar(pair),
        "slices": significant_drops(parts, margin=gate.slice_margin, gate=gate),
        "forgetting": [],
        "changed": _changed(pair, labels, listed=gate.changed_listed),
    }


def measure_forgetting(
    pairs: Mapping[str, tuple[PairedPredictions, str]], *, labels: Sequence[str], gate: GateConfig, seed: int
) -> list[dict[str, Any]]:
    """Compare on each source the champion had learnt; beside its pair stands the data version its texts are from.

    Gives what `surely_worse` gives, with the `data_version`. Raises DataRejected when a source has no text to compare on.
    """
    resamples = _enough(gate, len(pairs))
    figures = [
        _figures(
            pair,
            {},
            labels,
            resamples=resamples,
            seed=seed_for(seed, "gate", "forgetting", name),
            name=f"source={name}",
        )[0]
        for name, (pair, _) in sorted(pairs.items())
    ]
    versions = [version for _, (_, version) in sorted(pairs.items())]
    found = significant_drops(figures, margin=gate.forgetting_margin, gate=gate)
    return [{**entry, "data_version": version} for entry, version in zip(found, versions, strict=True)]


def significant_drops(
    figures: Sequence[PairedMetric], *, margin: float, gate: GateConfig
) -> list[dict[str, Any]]:
    """Say of each figure how surely it fell by more than the margin.

    `p` is one-sided and never 0; `p_holm` is the same with all figures in view, and at most 1 - `gate.confidence` where one is surely
    worse. `bound` is what its change surely does not exceed, and `visible` the smallest fall (the margin included) that would be named
    with `gate.power`, both at Holm's first and strictest step.
    """
    alpha = (1 - gate.confidence) / max(1, len(figures))
    p_values = [_p_value(figure, margin) for figure in figures]
    return [
        {
            "name": figure.name,
            "texts": figure.texts,
            **_difference(figure, gate),
            "p": p,
            "p_holm": p_holm,
            "bound": _bound(figure.gains, alpha),
            "visible": margin
            + significance.minimum_detectable(
                float(figure.gains.std()), figure.texts, alpha=alpha, power=gate.power
            ),
        }
        for figure, p, p_holm in zip(figures, p_values, significance.holm(p_values), strict=True)
    ]


def _figures(
    pair: PairedPredictions,
    slices: Mapping[str, Sequence[int]],
    labels: Sequence[str],
    *,
    resamples: int,
    seed: int,
    name: str = "all",
) -> list[PairedMetric]:
    """Resample every figure with the same draws; the first is that of all texts."""
    if not pair.truth:
        raise DataRejected(
            f"Candidate and champion have no text in common to be compared on ({name}). Raise split.test."
        )
    truth_N = np.asarray(pair.truth, dtype=np.int64)
    parts = {part: rows for part, rows in slices.items() if 0 < len(rows) < len(truth_N)}
    seen_C, texts_C = np.unique(truth_N, return_counts=True)
    tallies_GSM2L = _tallies(pair, truth_N, [range(len(truth_N)), *parts.values()], labels=len(labels))
    figures_KM = _measure(tallies_GSM2L.sum(axis=0), seen_C)
    resampled_BKM = _measure(bootstrap.bootstrap_sums(tallies_GSM2L, resamples=resamples, seed=seed), seen_C)
    gains_BK = resampled_BKM[..., 0] - resampled_BKM[..., 1]
    differs_GS2L = tallies_GSM2L[:, :, 0] != tallies_GSM2L[:, :, 1]
    differing = [
        *differs_GS2L.any(axis=(2, 3)).sum(axis=0),
        *differs_GS2L[:, 0].any(axis=1)[:, seen_C].sum(axis=0),
    ]
    names = [name, *parts, *(f"class={labels[label]}" for label in seen_C)]
    texts = [len(truth_N), *map(len, parts.values()), *texts_C.tolist()]
    return [
        PairedMetric(
            names[k],
            texts[k],
            float(figures_KM[k, 0]),
            float(figures_KM[k, 1]),
            gains_BK[:, k],
            int(differing[k]),
        )
        for k in range(len(names))
    ]


def _tallies(
    pair: PairedPredictions, truth_N: metrics.Counts, sets: Sequence[Sequence[int]], *, labels: int
) -> metrics.Counts:
    names, group_N = np.unique(np.asarray(pair.groups), return_inverse=True)
    # A text stands in R rows, one for each set it is in.
    text_R = np.concatenate([np.asarray(rows, dtype=np.int64) for rows in sets])
    cell_R = group_N[text_R] * len(sets) + np.repeat(np.arange(len(sets)), [len(rows) for rows in sets])
    tallies = [
        metrics.tally_by_group(
            truth_N[text_R], np.asarray(guess)[text_R], cell_R, groups=len(names) * len(sets), labels=labels
        )
        for guess in (pair.candidate, pair.champion)
    ]
    return np.stack([tally.reshape(len(names), len(sets), 2, labels) for tally in tallies], axis=2)


def _measure(tallies: NDArray[Any], seen_C: metrics.Counts) -> metrics.Figures:
    """Give macro F1 of each set and F1 of each label that occurs; ...SxMx2xL to ...KxM."""
    f1_CM = np.moveaxis(metrics.tallied_f1(tallies[..., 0, :, :, :])[..., seen_C], -1, -2)
    return np.concatenate([metrics.tallied_macro_f1(tallies), f1_CM], axis=-2)


def _enough(gate: GateConfig, figures: int) -> int:
    # The smallest p of B resamples is 1/(B+1); with many slices Holm's first step must still be within its reach.
    return max(gate.resamples, math.ceil(figures / (1 - gate.confidence)))


def _difference(figure: PairedMetric, gate: GateConfig) -> dict[str, float]:
    low, high = bootstrap.percentile_interval(figure.gains, confidence=gate.confidence)
    if significance.smallest_p(figure.differing) > (1 - gate.confidence) / 2:
        # So few groups differ that the names of the models might have been dealt by lot.
        low, high = min(low, 0.0), max(high, 0.0)
    return {
        "candidate": figure.candidate,
        "champion": figure.champion,
        "difference": figure.candidate - figure.champion,
        "low": low,
        "high": high,
    }


def _p_value(figure: PairedMetric, margin: float) -> float:
    within = int((figure.gains >= -margin).sum())
    return max((1 + within) / (1 + len(figure.gains)), significance.smallest_p(figure.differing))


def _bound(gains_B: NDArray[np.float64], alpha: float) -> float:
    """Give the change for which p would just exceed `alpha`, were the margin there."""
    above = max(1, math.floor(alpha * (1 + len(gains_B))))
    return float(np.partition(gains_B, -above)[-above])


def _mcnemar(pair: PairedPredictions) -> dict[str, float]:
    right = [
        (mine == label, theirs == label)
        for label, mine, theirs in zip(pair.truth, pair.candidate, pair.champion, strict=True)
    ]
    mine, theirs = right.count((True, False)), right.count((False, True))
    return {"only_candidate": mine, "only_champion": theirs, "p": significance.mcnemar(mine, theirs)}


def _changed(pair: PairedPredictions, labels: Sequence[str], *, listed: int) -> dict[str, Any]:
    rows = [row for row, mine in enumerate(pair.candidate) if mine != pair.champion[row]]
    mended = [row for row in rows if pair.candidate[row] == pair.truth[row]]
    broken = [row for row in rows if pair.champion[row] == pair.truth[row]]
    # What is lost is asked about first.
    order = [*broken, *mended, *sorted(set(rows).difference(broken, mended))]
    columns = {"label": pair.truth, "champion": pair.champion, "candidate": pair.candidate}
    return {
        "count": len(rows),
        "mended": len(mended),
        "broken": len(broken),
        "texts": [
            {"id": pair.ids[row], **{name: labels[column[row]] for name, column in columns.items()}}
            for row in order[:listed]
        ],
    }
