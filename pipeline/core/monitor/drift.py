"""Whether a window has drifted from the reference, in what way, and by which texts; chance alone alarms as seldom as was allowed.

What chance does is learnt by the bootstrap on two levels (Efron and Tibshirani, 1993): the reference's texts stand for the population,
from which pseudo-references of the reference's size are drawn, and for each of them pseudo-windows of the window's size. So the
sampling error of the reference is in every distance, as it is in the real one, and it is seen how alike the windows of one
reference are, which raises the number of alarms by chance (`pipeline.core.monitor.alarm_budget`).

Seven detectors that are asked together err more often than one. The chance is that of the largest score among them, taken jointly over
the same resamples (Westfall and Young, 1993), so that detectors that move together cost no more than one.

What moved is named by the side that lies the most times its threshold away: language; encoding (unknown tokens, length); topic (the
embedding, beside what the label shares explain). Where none of them moved, it is label: the shares or the confidence alone. So a
few foreign texts among many new ones are a new topic, and texts that are foreign are no broken encoding, though both move all sides.

Its limit: texts are taken to come independently of each other. Where many of a window answer one another, or one is sent many times,
it differs from the reference more than chance says, and drifts, as it should perhaps.

Legend: N texts, F features, B resamples, H the two halves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import DriftConfig
from pipeline.base.seeds import seed_for
from pipeline.core.monitor import alarm_budget
from pipeline.core.monitor.detectors import Array, FeatureMap, WindowSample
from pipeline.core.monitor.tails import NullDistribution

WINDOWS_A_REFERENCE = 20
OFTEN = 0.10  # how often windows must drift for pairs of them to be counted
KINDS = {"language": ("language",), "encoding": ("unknown", "length"), "topic": ("mmd", "classifier")}
STEP = 1.10  # between two sizes of windows that are calibrated


@dataclass(frozen=True)
class DriftCalibration:
    """Hold what chance does to windows of `texts` texts, and how far is too far.

    `level` is the chance that all detectors together call a window drifted, `critical` the score from which they do. `expected` is the
    number of alarms by chance in a quarter, over all topics; `shared` the part of chance that the windows of one reference have in
    common. `features_NF` describe the reference's texts, `halves_HF` are their sums.
    """

    texts: int
    gauge: FeatureMap
    features_NF: NDArray[np.float32]
    halves_HF: Array
    tails: dict[str, NullDistribution]
    joint: NullDistribution
    level: float
    critical: float
    shared: float
    expected: float
    seed: int


def comparable_size(texts: int, cfg: DriftConfig) -> int:
    """Round the number of texts of a window down to one that windows are calibrated for: at most a tenth is left aside.

    Volume alone never counts: of a large window `max_texts` are compared, or ever smaller differences would count.
    """
    steps = int(np.log(max(1, min(texts, cfg.max_texts))) / np.log(STEP))
    near = (round(STEP**step) for step in (steps + 1, steps, steps - 1))
    return (
        cfg.max_texts
        if texts >= cfg.max_texts
        else max(1, next(size for size in (*near, 1) if size <= texts))
    )


def calibrate(
    reference: WindowSample,
    texts: int,
    cfg: DriftConfig,
    *,
    windows_per_quarter: float,
    topics: int,
    seed: int,
) -> DriftCalibration:
    """Learn from the reference what chance does to windows of so many texts, and set how far is too far by the budget.

    The budget is for all `topics` that are watched, each in so many windows a quarter.
    """
    gauge = FeatureMap.of(reference, seed=seed)
    features_NF = gauge.features(reference)
    population_NF = np.concatenate([features_NF, gauge.stranger(features_NF)])
    # What is rare in the resamples that a score was learnt from is less rare in others, so the joint chance is learnt from fresh ones.
    first, fresh = (
        gauge.distances(
            *_resampled(population_NF, texts, resamples=cfg.resamples, seed=seed_for(seed, purpose))
        )
        for purpose in ("each", "together")
    )
    tails = {name: NullDistribution.of(distances_B) for name, distances_B in first.items()}
    scores_B = np.max([tails[name].score(distances_B) for name, distances_B in fresh.items()], axis=0)
    joint, shared = NullDistribution.of(scores_B), _shared(scores_B, most=texts / (texts + len(reference)))
    rule = {"alarms": cfg.alarm_windows, "of": cfg.of_windows}
    level = alarm_budget.drift_level(
        cfg.false_alarms_per_quarter / (windows_per_quarter * topics), shared=shared, **rule
    )
    expected = windows_per_quarter * topics * alarm_budget.mean_alarm_start_rate(level, shared=shared, **rule)
    return DriftCalibration(
        texts,
        gauge,
        features_NF,
        _halved(features_NF),
        tails,
        joint,
        level,
        joint.reached(level),
        shared,
        expected,
        seed,
    )


def judge_window(window: WindowSample, calibration: DriftCalibration) -> dict[str, Any]:
    """Say whether a window has drifted, which detectors say so, and what kind of drift it is (`kind` is None where there is none).

    The chance `p` of a detector is already that of the largest among them all, so it is to be set beside `level`. Of a window with more
    texts than were calibrated for, so many are drawn; one with fewer cannot be judged.
    """
    found = _distances(_drawn(window, calibration), calibration)
    detectors: dict[str, dict[str, Any]] = {}
    for name, tail in calibration.tails.items():
        p = float(calibration.joint.chance(tail.score(found[name]))[0])
        threshold = tail.reached(float(np.exp(-calibration.critical)))
        detectors[name] = {
            "statistic": float(found[name][0]),
            "threshold": threshold,
            "p": p,
            "drifted": p <= calibration.level,
        }
    return {
        "p": min(one["p"] for one in detectors.values()),
        "level": calibration.level,
        "expected": calibration.expected,
        "texts": calibration.texts,
        "drifted": any(one["drifted"] for one in detectors.values()),
        "kind": _kind(detectors),
        "detectors": detectors,
    }


def alarm_is_active(history: Sequence[bool], cfg: DriftConfig) -> bool:
    """Say whether an alarm stands after these windows, the newest last."""
    return sum(history[-cfg.of_windows :]) >= cfg.alarm_windows


def alarm_starts(history: Sequence[bool], cfg: DriftConfig) -> bool:
    """Say whether an alarm starts in the newest window: it stands now and did not stand before."""
    return alarm_is_active(history, cfg) and not alarm_is_active(history[:-1], cfg)


def most_moved_texts(
    window: WindowSample, calibration: DriftCalibration, n: int
) -> list[tuple[str, int, float]]:
    """Name the texts that moved the window the most, with how much, in standard deviations of the reference's texts.

    A text counts by the witness function of each detector that drifted, or of all where none did: how far it lies from the reference
    in the direction that the window moved (Gretton et al., 2012).
    """
    features_NF = calibration.gauge.features(window)
    found = judge_window(window, calibration)["detectors"]
    moved = [name for name, one in found.items() if one["drifted"]] or list(found)
    scores_N = np.sum(
        [_witness(features_NF, calibration, calibration.gauge.places[name]) for name in moved], axis=0
    )
    first = np.argsort(-scores_N, kind="stable")[:n]
    return [(window.request[row], window.position[row], float(scores_N[row])) for row in first]


def _witness(features_NF: NDArray[np.float32], calibration: DriftCalibration, place: slice) -> Array:
    reference_NF = calibration.features_NF[:, place].astype(np.float64)
    mean_F = reference_NF.mean(axis=0)
    direction_F = features_NF[:, place].mean(axis=0) - mean_F
    spread = float((reference_NF @ direction_F).std())
    return np.asarray((features_NF[:, place] - mean_F) @ direction_F / max(spread, 1e-9))


def _drawn(window: WindowSample, calibration: DriftCalibration) -> WindowSample:
    assert len(window) >= calibration.texts
    if len(window) == calibration.texts:
        return window
    chosen = np.random.default_rng(calibration.seed).permutation(len(window))[: calibration.texts]
    return window.only(np.sort(chosen))


def _distances(window: WindowSample, calibration: DriftCalibration) -> dict[str, Array]:
    halves_HF = _halved(calibration.gauge.features(window))
    return calibration.gauge.distances(halves_HF[:, None], calibration.halves_HF[:, None])


def _halved(features_NF: NDArray[np.float32]) -> Array:
    """Sum up every other text, for a journal and a reference are sorted; 2xF."""
    return np.stack([features_NF[half::2].sum(axis=0, dtype=np.float64) for half in (0, 1)])


def _resampled(
    features_NF: NDArray[np.float32], texts: int, *, resamples: int, seed: int
) -> tuple[Array, Array]:
    """Draw windows and, for each so many of them, a reference; sums over their halves, 2xBxF each.

    The last row is the stranger: it may be drawn, but a reference has as many texts as the rows before it.
    """
    chance, rows = np.random.default_rng(seed), len(features_NF)
    references = max(2, -(-resamples // WINDOWS_A_REFERENCE))
    windows = np.empty((2, references * WINDOWS_A_REFERENCE, features_NF.shape[1]))
    drawn = np.empty((2, references, features_NF.shape[1]))
    for number in range(references):
        for half, size in enumerate(_halves(rows - 1)):
            counts_N = np.bincount(chance.integers(rows, size=size), minlength=rows)
            drawn[half, number] = counts_N.astype(np.float32) @ features_NF
    for number in range(windows.shape[1]):
        for half, size in enumerate(_halves(texts)):
            windows[half, number] = features_NF[chance.integers(rows, size=size)].sum(axis=0)
    return windows, np.repeat(drawn, WINDOWS_A_REFERENCE, axis=1)


def _halves(texts: int) -> tuple[int, int]:
    return (texts + 1) // 2, texts // 2


def _shared(scores_B: Array, *, most: float) -> float:
    often = scores_B >= np.quantile(scores_B, 1 - OFTEN)
    drifted = often.reshape(-1, WINDOWS_A_REFERENCE).sum(axis=1)
    pairs = float((drifted * (drifted - 1)).mean()) / (WINDOWS_A_REFERENCE * (WINDOWS_A_REFERENCE - 1))
    return alarm_budget.shared_variance(float(often.mean()), pairs, most=most)


def _kind(detectors: dict[str, dict[str, Any]]) -> str | None:
    beyond = {
        name: one["statistic"] / max(one["threshold"], 1e-12) if one["drifted"] else 0.0
        for name, one in detectors.items()
    }
    sides = {kind: max(beyond.get(name, 0.0) for name in names) for kind, names in KINDS.items()}
    furthest = max(sides, key=lambda kind: sides[kind])
    if sides[furthest]:
        return furthest
    return "label" if any(beyond.values()) else None
