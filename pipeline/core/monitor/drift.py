"""Difference: whether a window differs from the training data, in what way, and which texts moved it.

That is a report about a topic and no alarm: a topic that is no training source always differs.
`pipeline.core.change` raises the alarms, against what the topic was like before.

Null distributions come from the bootstrap on two levels (Efron and Tibshirani, 1993): the reference's texts
stand for the population, from which pseudo-references of the reference's size are drawn, and for each of them
pseudo-windows of the window's size. The sampling error of the reference is thus in every simulated distance,
as it is in the real one, and the correlation of windows that share a reference can be measured, which raises
the rate of false alarms (`pipeline.core.monitor.alarm_budget`).

Seven detectors together err more often than one. The p-value is that of the largest surprise among them,
taken jointly over the same resamples (Westfall and Young, 1993), so correlated detectors cost no more than
one.

The kind of drift is that of the detector furthest beyond its threshold: language; encoding (unknown tokens,
length); topic (the embedding, given the predicted labels). Where none of these drifted, it is label: the
shares or the confidence alone. So a few foreign texts among many new ones are a new topic, and foreign texts
are no broken encoding, though both move all detectors.

Its limit: texts are assumed independent. A window in which many texts answer one another, or one text is sent
many times, differs from the reference more than independent texts would, and drifts, as perhaps it should.

Legend: N texts, F features, B resamples, H the two halves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import DriftConfig
from pipeline.base.documents import DetectorReport, DriftExample, DriftVerdict
from pipeline.base.seeds import seed_for
from pipeline.core.monitor import alarm_budget
from pipeline.core.monitor.detectors import FeatureMap, WindowSample
from pipeline.core.monitor.embedding_map import Array
from pipeline.core.monitor.tails import NullDistribution

WINDOWS_PER_REFERENCE = 20
PAIR_RATE = 0.10  # at how rare a score windows count as drifted when pairs are counted
KINDS = {"language": ("language",), "encoding": ("unknown", "length"), "topic": ("mmd", "classifier")}
SIZE_STEP = 1.10  # from one calibrated window size to the next


@dataclass(frozen=True)
class DriftCalibration:
    """The null distributions of windows of `texts` texts, and the thresholds that meet the budget.

    `level` is the p-value at which a window has drifted, `critical` the surprise from which it has.
    `expected` is the number of false alarms in a quarter over all topics; `shared` the part of the variance
    that windows of one reference have in common. `features_NF` are the features of the reference's texts,
    `halves_HF` their sums.
    """

    texts: int
    feature_map: FeatureMap
    features_NF: NDArray[np.float32]
    halves_HF: Array
    null: dict[str, NullDistribution]
    joint_null: NullDistribution
    level: float
    critical: float
    shared: float
    expected: float
    seed: int


def comparable_size(texts: int, cfg: DriftConfig) -> int:
    """Round a number of texts down to a calibrated window size; at most a tenth of the texts is left out.

    No size exceeds `max_texts`, or ever smaller differences would count as traffic grows.
    """
    if texts >= cfg.max_texts:
        return cfg.max_texts
    steps = int(np.log(max(1, texts)) / np.log(SIZE_STEP))
    sizes = (round(SIZE_STEP**step) for step in (steps + 1, steps, steps - 1))
    return max(1, next(size for size in (*sizes, 1) if size <= texts))


def calibrate(
    reference: WindowSample,
    texts: int,
    cfg: DriftConfig,
    *,
    false_alarms_per_quarter: float,
    windows_per_quarter: float,
    topics: int,
    seed: int,
) -> DriftCalibration:
    """Simulate windows of `texts` texts from the reference, and set the thresholds by the budget.

    The budget is shared by all `topics`, each with `windows_per_quarter` windows.
    """
    feature_map = FeatureMap.of(reference, seed=seed)
    features_NF = feature_map.features(reference)
    population_NF = np.concatenate([features_NF, feature_map.unseen_row(features_NF)])
    # A value that is rare in the resamples a surprise is fitted on is less rare in others, so the joint
    # distribution takes fresh ones.
    single_distances, fresh_distances = (
        feature_map.distances(*_resample(population_NF, texts, cfg.resamples, seed_for(seed, purpose)))
        for purpose in ("each", "together")
    )
    null = {name: NullDistribution.of(values_B) for name, values_B in single_distances.items()}
    surprise_B = np.max([null[name].surprise(values_B) for name, values_B in fresh_distances.items()], axis=0)
    joint_null = NullDistribution.of(surprise_B)
    shared = _shared_variance(surprise_B, most=texts / (texts + len(reference)))
    windows = windows_per_quarter * topics
    level, start_rate = _alarm_level(cfg, false_alarms_per_quarter / windows, shared)
    return DriftCalibration(
        texts=texts,
        feature_map=feature_map,
        features_NF=features_NF,
        halves_HF=_half_sums(features_NF),
        null=null,
        joint_null=joint_null,
        level=level,
        critical=joint_null.quantile(level),
        shared=shared,
        expected=windows * start_rate,
        seed=seed,
    )


def _alarm_level(cfg: DriftConfig, target: float, shared: float) -> tuple[float, float]:
    """Find the drift level that meets the budget, and the rate at which alarms start with it."""
    rule = {"alarm_windows": cfg.alarm_windows, "of_windows": cfg.of_windows}
    level = alarm_budget.drift_level(target, shared=shared, **rule)
    return level, alarm_budget.mean_alarm_start_rate(level, shared=shared, **rule)


def judge_window(window: WindowSample, calibration: DriftCalibration) -> DriftVerdict:
    """Decide whether a window has drifted, by which detectors, and what kind of drift it is.

    The p-value of a detector is already adjusted for all detectors, so it is compared with `level` as it is.
    A window with more texts than the calibration is sampled down to its size; one with fewer cannot be
    judged.
    """
    half_sums_HF = _half_sums(calibration.feature_map.features(_sample_down(window, calibration)))
    distances = calibration.feature_map.distances(half_sums_HF[:, None], calibration.halves_HF[:, None])
    detectors: dict[str, DetectorReport] = {}
    for name, null in calibration.null.items():
        p = float(calibration.joint_null.p_value(null.surprise(distances[name]))[0])
        detectors[name] = {
            "statistic": float(distances[name][0]),
            "threshold": null.quantile(float(np.exp(-calibration.critical))),
            "p": p,
            "drifted": p <= calibration.level,
        }
    return {
        "p": min(report["p"] for report in detectors.values()),
        "level": calibration.level,
        "expected": calibration.expected,
        "texts": calibration.texts,
        "drifted": any(report["drifted"] for report in detectors.values()),
        "kind": _drift_kind(detectors),
        "detectors": detectors,
    }


def differs(drifted: Sequence[bool], cfg: DriftConfig) -> bool:
    """Return whether a topic differs after these windows, the newest last, and not by one window alone."""
    return sum(drifted[-cfg.of_windows :]) >= cfg.alarm_windows


def most_moved_texts(window: WindowSample, calibration: DriftCalibration, count: int) -> list[DriftExample]:
    """Return the texts that moved the window most, the first one most.

    The score of a text is the witness function of each detector that drifted, or of all where none did: how
    far the text lies from the reference in the direction that the window moved (Gretton et al., 2012).
    """
    features_NF = calibration.feature_map.features(window)
    detectors = judge_window(window, calibration)["detectors"]
    names = [name for name, report in detectors.items() if report["drifted"]] or list(detectors)
    columns = calibration.feature_map.columns
    scores_N = np.sum([_witness(features_NF, calibration, columns[name]) for name in names], axis=0)
    return [
        {"request": window.request[row], "position": window.position[row], "score": float(scores_N[row])}
        for row in np.argsort(-scores_N, kind="stable")[:count]
    ]


def _witness(features_NF: NDArray[np.float32], calibration: DriftCalibration, columns: slice) -> Array:
    reference_NF = calibration.features_NF[:, columns].astype(np.float64)
    mean_F = reference_NF.mean(axis=0)
    direction_F = features_NF[:, columns].mean(axis=0) - mean_F
    spread = float((reference_NF @ direction_F).std())
    return np.asarray((features_NF[:, columns] - mean_F) @ direction_F / max(spread, 1e-9))


def _sample_down(window: WindowSample, calibration: DriftCalibration) -> WindowSample:
    assert len(window) >= calibration.texts
    if len(window) == calibration.texts:
        return window
    rows = np.random.default_rng(calibration.seed).permutation(len(window))[: calibration.texts]
    return window.take(np.sort(rows))


def _half_sums(features_NF: NDArray[np.float32]) -> Array:
    """Sum the features of every other text, since journals and references are sorted; 2xF."""
    return np.stack([features_NF[half::2].sum(axis=0, dtype=np.float64) for half in (0, 1)])


def _resample(features_NF: NDArray[np.float32], texts: int, resamples: int, seed: int) -> tuple[Array, Array]:
    """Draw references and windows of them; return the sums over the halves of both, 2xBxF each.

    The last row is the unseen one: it may be drawn, but a reference has as many texts as the rows before it.
    """
    random, rows = np.random.default_rng(seed), len(features_NF)
    references = max(2, -(-resamples // WINDOWS_PER_REFERENCE))
    window_sums = np.empty((2, references * WINDOWS_PER_REFERENCE, features_NF.shape[1]))
    reference_sums = np.empty((2, references, features_NF.shape[1]))
    for number in range(references):
        for half, size in enumerate(_half_sizes(rows - 1)):
            counts_N = np.bincount(random.integers(rows, size=size), minlength=rows)
            reference_sums[half, number] = counts_N.astype(np.float32) @ features_NF
    for number in range(window_sums.shape[1]):
        for half, size in enumerate(_half_sizes(texts)):
            window_sums[half, number] = features_NF[random.integers(rows, size=size)].sum(axis=0)
    return window_sums, np.repeat(reference_sums, WINDOWS_PER_REFERENCE, axis=1)


def _half_sizes(texts: int) -> tuple[int, int]:
    return (texts + 1) // 2, texts // 2


def _shared_variance(surprise_B: Array, *, most: float) -> float:
    drifted_B = surprise_B >= np.quantile(surprise_B, 1 - PAIR_RATE)
    drifted = drifted_B.reshape(-1, WINDOWS_PER_REFERENCE).sum(axis=1)
    pairs = WINDOWS_PER_REFERENCE * (WINDOWS_PER_REFERENCE - 1)
    pair_rate = float((drifted * (drifted - 1)).mean()) / pairs
    return alarm_budget.shared_variance(float(drifted_B.mean()), pair_rate, most=most)


def _drift_kind(detectors: Mapping[str, DetectorReport]) -> str | None:
    excess = {
        name: report["statistic"] / max(report["threshold"], 1e-12)
        for name, report in detectors.items()
        if report["drifted"]
    }
    kinds = {kind: max(excess.get(name, 0.0) for name in names) for kind, names in KINDS.items()}
    furthest = max(kinds, key=lambda kind: kinds[kind])
    if kinds[furthest]:
        return furthest
    return "label" if any(excess.values()) else None
