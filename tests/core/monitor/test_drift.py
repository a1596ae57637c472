"""Drift: the rate of false alarms, how soon a shift is detected, and its kind."""

import dataclasses
import json

import numpy as np
import pytest
from population import Shift, broken_encoding, drift_config, new_topic, other_language, texts, worse_mood

from pipeline.core.monitor import drift
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.drift import (
    DriftCalibration,
    calibrate,
    comparable_size,
    differs,
    judge_window,
)

QUARTER = 2191.5
WINDOW = 100


@pytest.fixture(scope="module")
def reference() -> WindowSample:
    return texts(1200, np.random.default_rng(1))


@pytest.fixture(scope="module")
def calibration(reference: WindowSample) -> DriftCalibration:
    return calibrate(
        reference,
        WINDOW,
        drift_config(),
        false_alarms_per_quarter=1.0,
        windows_per_quarter=QUARTER,
        topics=2,
        seed=3,
    )


def test_false_alarms_in_200_windows_stay_within_the_budget() -> None:
    # Six are allowed in 200 windows, 72 for twelve references; the 95 % interval of Poisson(72) is 56 to 89.
    cfg, alarms = drift_config(), []
    for number in range(12):
        random = np.random.default_rng([20, number])
        fitted = calibrate(
            texts(1200, random),
            WINDOW,
            cfg,
            false_alarms_per_quarter=6.0,
            windows_per_quarter=200,
            topics=1,
            seed=number,
        )
        alarms.append(_alarms([texts(WINDOW, random) for _ in range(200)], fitted, cfg))

    assert 56 <= sum(alarms) <= 89, alarms


def test_ten_times_the_traffic_raises_no_more_alarms(reference: WindowSample) -> None:
    # 6 allowed in 200 windows: the 95 % interval of a Poisson count of 6 ends at 11.
    cfg, random = drift_config(), np.random.default_rng(7)
    fitted = calibrate(
        reference,
        comparable_size(1000, cfg),
        cfg,
        false_alarms_per_quarter=6.0,
        windows_per_quarter=200,
        topics=1,
        seed=3,
    )

    assert _alarms([texts(1000, random) for _ in range(200)], fitted, cfg) <= 11


@pytest.mark.parametrize(
    ("shift", "kind"),
    [
        (worse_mood, "label"),
        (new_topic, "topic"),
        (broken_encoding, "encoding"),
        (other_language, "language"),
    ],
)
def test_a_planted_shift_is_detected_within_two_windows_and_named(
    calibration: DriftCalibration, shift: Shift, kind: str
) -> None:
    cfg, delays, kinds = drift_config(), [], []
    for number in range(20):
        random, history = np.random.default_rng(number), [False, False]
        while not differs(history, cfg) and len(history) < 12:
            verdict = judge_window(shift(texts(4 * WINDOW, random), random), calibration)
            history.append(verdict["drifted"])
            kinds += [verdict["kind"]] * verdict["drifted"]
        delays.append(len(history) - 2)

    assert np.median(delays) <= 2
    assert kinds.count(kind) >= 0.9 * len(kinds)


def test_the_reference_itself_has_not_drifted(reference: WindowSample) -> None:
    fitted = calibrate(
        reference,
        len(reference),
        drift_config(),
        false_alarms_per_quarter=1.0,
        windows_per_quarter=QUARTER,
        topics=1,
        seed=3,
    )

    verdict = judge_window(reference, fitted)

    assert (verdict["drifted"], verdict["kind"]) == (False, None)
    assert all(report["statistic"] == pytest.approx(0, abs=1e-6) for report in verdict["detectors"].values())


def test_equal_windows_have_equal_verdicts(reference: WindowSample, calibration: DriftCalibration) -> None:
    again = calibrate(
        reference,
        WINDOW,
        drift_config(),
        false_alarms_per_quarter=1.0,
        windows_per_quarter=QUARTER,
        topics=2,
        seed=3,
    )
    window = texts(250, np.random.default_rng(9))

    assert judge_window(window, again) == judge_window(window, calibration)
    assert drift.most_moved_texts(window, again, 5) == drift.most_moved_texts(window, calibration, 5)


def test_a_verdict_is_json_and_holds_all_seven_detectors(
    calibration: DriftCalibration,
) -> None:
    verdict = judge_window(texts(WINDOW, np.random.default_rng(9)), calibration)

    assert json.loads(json.dumps(verdict)) == verdict
    assert list(verdict["detectors"]) == [
        "label",
        "language",
        "confidence",
        "length",
        "unknown",
        "mmd",
        "classifier",
    ]
    assert verdict["p"] == min(report["p"] for report in verdict["detectors"].values())
    assert verdict["drifted"] == (verdict["p"] <= verdict["level"])


def test_without_embeddings_the_other_five_detectors_find_a_shift(
    reference: WindowSample, calibration: DriftCalibration
) -> None:
    random = np.random.default_rng(2)
    window = dataclasses.replace(worse_mood(texts(400, random), random), embedding=None)
    hashed = calibrate(
        dataclasses.replace(reference, embedding=None),
        WINDOW,
        drift_config(),
        false_alarms_per_quarter=1.0,
        windows_per_quarter=QUARTER,
        topics=1,
        seed=3,
    )

    verdict = judge_window(window, hashed)

    assert list(verdict["detectors"]) == ["label", "language", "confidence", "length", "unknown"]
    assert verdict["kind"] == "label"
    with pytest.raises(AssertionError):
        judge_window(window, calibration)


def test_the_first_foreign_text_is_no_drift_but_ten_of_them_are() -> None:
    random = np.random.default_rng(8)
    english = dataclasses.replace(texts(1000, random), lang=np.full(1000, "en"), unknown=np.zeros(1000))
    fitted = calibrate(
        english,
        WINDOW,
        drift_config(),
        false_alarms_per_quarter=1.0,
        windows_per_quarter=QUARTER,
        topics=1,
        seed=3,
    )
    window = english.take(random.permutation(1000)[:WINDOW])

    verdicts = {
        count: judge_window(
            dataclasses.replace(window, lang=np.array(["de"] * count + ["en"] * (WINDOW - count))), fitted
        )
        for count in (1, 10)
    }

    assert (verdicts[1]["drifted"], verdicts[10]["drifted"], verdicts[10]["kind"]) == (
        False,
        True,
        "language",
    )


def test_the_texts_that_moved_a_window_come_furthest_first(calibration: DriftCalibration) -> None:
    window = texts(WINDOW, np.random.default_rng(12))
    german = [3, 11, 12, 40, 41, 42, 77, 78, 79, 80, 81, 95]
    lang = np.where(np.isin(np.arange(WINDOW), german), "de", "en")

    examples = drift.most_moved_texts(
        dataclasses.replace(window, lang=lang, position=tuple(range(WINDOW))), calibration, 10
    )

    assert len(examples) == 10
    assert {example["request"] for example in examples} <= {f"r{row}" for row in german}
    assert all(example["request"] == f"r{example['position']}" for example in examples)
    scores = [example["score"] for example in examples]
    assert scores == sorted(scores, reverse=True)


def test_a_small_reference_makes_the_level_stricter() -> None:
    levels = {
        count: calibrate(
            texts(count, np.random.default_rng(5)),
            WINDOW,
            drift_config(),
            false_alarms_per_quarter=1.0,
            windows_per_quarter=QUARTER,
            topics=1,
            seed=3,
        ).level
        for count in (120, 4000)
    }

    assert levels[120] < 0.8 * levels[4000]


def test_more_topics_share_the_same_budget(reference: WindowSample, calibration: DriftCalibration) -> None:
    count = calibrate(
        reference,
        WINDOW,
        drift_config(),
        false_alarms_per_quarter=1.0,
        windows_per_quarter=QUARTER,
        topics=40,
        seed=3,
    )

    assert count.level < calibration.level / 3
    assert count.expected == pytest.approx(1.0, rel=0.01)
    assert calibration.expected == pytest.approx(1.0, rel=0.01)


def test_an_embedding_of_nan_is_judged_like_any_other(calibration: DriftCalibration) -> None:
    window = texts(WINDOW, np.random.default_rng(9))
    window.embedding[4:6] = [[np.nan], [np.inf]]

    assert 0 < judge_window(window, calibration)["p"] <= 1


def test_a_window_smaller_than_the_calibrated_one_cannot_be_judged(calibration: DriftCalibration) -> None:
    with pytest.raises(AssertionError):
        judge_window(texts(WINDOW - 1, np.random.default_rng(9)), calibration)


@pytest.mark.parametrize(
    ("size", "texts_judged", "resamples"), [(1, 1, 1), (2, 1, 40), (30, 30, 100), (3, 60, 60)]
)
def test_few_texts_and_resamples_still_give_a_verdict(size: int, texts_judged: int, resamples: int) -> None:
    random = np.random.default_rng(6)
    cfg = drift_config(alarm_windows=1, of_windows=1, resamples=resamples)
    fitted = calibrate(
        texts(size, random),
        texts_judged,
        cfg,
        false_alarms_per_quarter=1.0,
        windows_per_quarter=QUARTER,
        topics=50,
        seed=3,
    )

    verdict = judge_window(texts(texts_judged, random), fitted)

    assert all(
        np.isfinite(
            [
                verdict["p"],
                verdict["level"],
                *(report["threshold"] for report in verdict["detectors"].values()),
            ]
        )
    )
    assert len(drift.most_moved_texts(texts(texts_judged, random), fitted, 10)) == min(10, texts_judged)


def test_identical_texts_drift_only_from_others() -> None:
    alike = texts(1, np.random.default_rng(1)).take([0] * 300)
    fitted = calibrate(
        alike,
        WINDOW,
        drift_config(),
        false_alarms_per_quarter=1.0,
        windows_per_quarter=QUARTER,
        topics=1,
        seed=3,
    )

    assert judge_window(alike, fitted)["p"] == 1.0
    assert judge_window(texts(WINDOW, np.random.default_rng(2)), fitted)["drifted"]


def test_a_topic_differs_while_two_of_three_windows_differ() -> None:
    drifted = [False, True, False, True, True, False, False, True]
    histories = [drifted[: end + 1] for end in range(len(drifted))]

    assert [differs(history, drift_config()) for history in histories] == [
        False,
        False,
        False,
        True,
        True,
        True,
        False,
        False,
    ]


def test_window_sizes_are_rounded_down_by_at_most_a_tenth() -> None:
    cfg = drift_config(max_texts=400)
    sizes = {texts: comparable_size(texts, cfg) for texts in range(1, 1000)}

    assert all(size <= texts and size > 0.9 * texts - 1 for texts, size in sizes.items() if texts <= 400)
    assert {size for texts, size in sizes.items() if texts >= 400} == {400}
    assert len(set(sizes.values())) < 50


def _alarms(windows: list[WindowSample], calibration: DriftCalibration, cfg: drift.DriftConfig) -> int:
    history: list[bool] = []
    started = 0
    for window in windows:
        before = differs(history, cfg)
        history.append(judge_window(window, calibration)["drifted"])
        started += differs(history, cfg) and not before
    return started
