"""Drift: how often chance alarms, how soon a shift is found, and what it is called."""

import dataclasses
import json

import numpy as np
import pytest
from population import Shift, broken_encoding, drift_config, new_topic, other_language, texts, worse_mood

from pipeline.core.monitor import drift
from pipeline.core.monitor.detectors import WindowSample
from pipeline.core.monitor.drift import (
    DriftCalibration,
    alarm_is_active,
    alarm_starts,
    calibrate,
    comparable_size,
    judge_window,
)

QUARTER = 2191.5
WINDOW = 100


@pytest.fixture(scope="module")
def reference() -> WindowSample:
    return texts(1200, np.random.default_rng(1))


@pytest.fixture(scope="module")
def calibration(reference: WindowSample) -> DriftCalibration:
    return calibrate(reference, WINDOW, drift_config(), windows_per_quarter=QUARTER, topics=2, seed=3)


def test_in_200_windows_without_drift_alarms_stay_inside_the_95_percent_interval_of_the_budget() -> None:
    # Six are allowed in 200 windows, so 72 for twelve references together; 95 % of the Poisson counts of that mean are 56 to 89.
    cfg, found = drift_config(false_alarms_per_quarter=6.0), []
    for number in range(12):
        chance = np.random.default_rng([20, number])
        learnt = calibrate(texts(1200, chance), WINDOW, cfg, windows_per_quarter=200, topics=1, seed=number)
        found.append(_alarms([texts(WINDOW, chance) for _ in range(200)], learnt, cfg))

    assert 56 <= sum(found) <= 89, found


def test_ten_times_the_traffic_alarms_no_more_often(reference: WindowSample) -> None:
    # 6 allowed in 200 windows: the 95 % interval of a Poisson count of 6 ends at 11.
    cfg, chance = drift_config(false_alarms_per_quarter=6.0), np.random.default_rng(7)
    learnt = calibrate(reference, comparable_size(1000, cfg), cfg, windows_per_quarter=200, topics=1, seed=3)

    assert _alarms([texts(1000, chance) for _ in range(200)], learnt, cfg) <= 11


@pytest.mark.parametrize(
    ("shift", "kind"),
    [
        (worse_mood, "label"),
        (new_topic, "topic"),
        (broken_encoding, "encoding"),
        (other_language, "language"),
    ],
)
def test_a_planted_shift_is_found_within_two_windows_and_named(
    calibration: DriftCalibration, shift: Shift, kind: str
) -> None:
    cfg, delays, kinds = drift_config(), [], []
    for number in range(20):
        chance, history = np.random.default_rng(number), [False, False]
        while not alarm_is_active(history, cfg) and len(history) < 12:
            found = judge_window(shift(texts(4 * WINDOW, chance), chance), calibration)
            history.append(found["drifted"])
            kinds += [found["kind"]] * found["drifted"]
        delays.append(len(history) - 2)

    assert np.median(delays) <= 2
    assert kinds.count(kind) >= 0.9 * len(kinds)


def test_a_window_that_is_the_reference_has_not_drifted(reference: WindowSample) -> None:
    learnt = calibrate(
        reference, len(reference), drift_config(), windows_per_quarter=QUARTER, topics=1, seed=3
    )

    found = judge_window(reference, learnt)

    assert (found["drifted"], found["kind"]) == (False, None)
    assert all(one["statistic"] == pytest.approx(0, abs=1e-6) for one in found["detectors"].values())


def test_equal_windows_are_judged_equally(reference: WindowSample, calibration: DriftCalibration) -> None:
    again = calibrate(reference, WINDOW, drift_config(), windows_per_quarter=QUARTER, topics=2, seed=3)
    window = texts(250, np.random.default_rng(9))

    assert judge_window(window, again) == judge_window(window, calibration)
    assert drift.most_moved_texts(window, again, 5) == drift.most_moved_texts(window, calibration, 5)


def test_a_verdict_can_be_written_as_json_and_holds_all_seven_detectors(
    calibration: DriftCalibration,
) -> None:
    found = judge_window(texts(WINDOW, np.random.default_rng(9)), calibration)

    assert json.loads(json.dumps(found)) == found
    assert list(found["detectors"]) == [
        "label",
        "language",
        "confidence",
        "length",
        "unknown",
        "mmd",
        "classifier",
    ]
    assert found["p"] == min(one["p"] for one in found["detectors"].values())
    assert found["drifted"] == (found["p"] <= found["level"])


def test_where_only_hashes_are_kept_the_other_five_still_find_a_shift(
    reference: WindowSample, calibration: DriftCalibration
) -> None:
    bare = dataclasses.replace(reference, embedding=None)
    chance = np.random.default_rng(2)
    window = dataclasses.replace(worse_mood(texts(400, chance), chance), embedding=None)

    learnt = calibrate(bare, WINDOW, drift_config(), windows_per_quarter=QUARTER, topics=1, seed=3)

    assert [set(judge_window(window, one)["detectors"]) >= {"mmd"} for one in (learnt, calibration)] == [
        False,
        True,
    ]
    assert [judge_window(window, one)["kind"] for one in (learnt, calibration)] == ["label", "label"]


def test_the_first_foreign_text_is_no_drift_but_ten_of_them_are() -> None:
    chance = np.random.default_rng(8)
    english = dataclasses.replace(texts(1000, chance), lang=np.full(1000, "en"), unknown=np.zeros(1000))
    learnt = calibrate(english, WINDOW, drift_config(), windows_per_quarter=QUARTER, topics=1, seed=3)
    window = english.only(chance.permutation(1000)[:WINDOW])

    found = {
        many: judge_window(
            dataclasses.replace(window, lang=np.array(["de"] * many + ["en"] * (WINDOW - many))), learnt
        )
        for many in (1, 10)
    }

    assert (found[1]["drifted"], found[10]["drifted"], found[10]["kind"]) == (False, True, "language")


def test_the_texts_that_moved_a_window_are_named_the_furthest_first(calibration: DriftCalibration) -> None:
    window = texts(WINDOW, np.random.default_rng(12))
    german = [3, 11, 12, 40, 41, 42, 77, 78, 79, 80, 81, 95]
    lang = np.where(np.isin(np.arange(WINDOW), german), "de", "en")

    named = drift.most_moved_texts(
        dataclasses.replace(window, lang=lang, position=tuple(range(WINDOW))), calibration, 10
    )

    assert len(named) == 10
    assert {request for request, _, _ in named} <= {f"r{row}" for row in german}
    assert all(request == f"r{position}" for request, position, _ in named)
    assert [score for _, _, score in named] == sorted((score for _, _, score in named), reverse=True)


def test_a_small_reference_makes_the_level_stricter_for_its_own_error_comes_back_in_every_window() -> None:
    levels = {
        many: calibrate(
            texts(many, np.random.default_rng(5)),
            WINDOW,
            drift_config(),
            windows_per_quarter=QUARTER,
            topics=1,
            seed=3,
        ).level
        for many in (120, 4000)
    }

    assert levels[120] < 0.8 * levels[4000]


def test_more_topics_share_the_same_budget(reference: WindowSample, calibration: DriftCalibration) -> None:
    many = calibrate(reference, WINDOW, drift_config(), windows_per_quarter=QUARTER, topics=40, seed=3)

    assert many.level < calibration.level / 3
    assert many.expected == pytest.approx(1.0, rel=0.01)
    assert calibration.expected == pytest.approx(1.0, rel=0.01)


def test_not_a_number_in_an_embedding_is_judged_like_any_other_text(calibration: DriftCalibration) -> None:
    window = texts(WINDOW, np.random.default_rng(9))
    window.embedding[4:6] = [[np.nan], [np.inf]]

    assert 0 < judge_window(window, calibration)["p"] <= 1


def test_a_window_smaller_than_the_calibrated_one_cannot_be_judged(calibration: DriftCalibration) -> None:
    with pytest.raises(AssertionError):
        judge_window(texts(WINDOW - 1, np.random.default_rng(9)), calibration)


@pytest.mark.parametrize(
    ("size", "texts_judged", "resamples"), [(1, 1, 1), (2, 1, 40), (30, 30, 100), (3, 60, 60)]
)
def test_however_few_texts_and_resamples_there_are_a_verdict_is_reached(
    size: int, texts_judged: int, resamples: int
) -> None:
    chance = np.random.default_rng(6)
    cfg = drift_config(alarm_windows=1, of_windows=1, resamples=resamples)
    learnt = calibrate(texts(size, chance), texts_judged, cfg, windows_per_quarter=QUARTER, topics=50, seed=3)

    found = judge_window(texts(texts_judged, chance), learnt)

    assert all(
        np.isfinite([found["p"], found["level"], *(one["threshold"] for one in found["detectors"].values())])
    )
    assert len(drift.most_moved_texts(texts(texts_judged, chance), learnt, 10)) == min(10, texts_judged)


def test_texts_that_are_all_alike_drift_from_nothing_and_anything_else_drifts_from_them() -> None:
    alike = texts(1, np.random.default_rng(1)).only([0] * 300)
    learnt = calibrate(alike, WINDOW, drift_config(), windows_per_quarter=QUARTER, topics=1, seed=3)

    assert judge_window(alike, learnt)["p"] == 1.0
    assert judge_window(texts(WINDOW, np.random.default_rng(2)), learnt)["drifted"]


def test_an_alarm_starts_once_and_stands_while_two_of_three_windows_have_drifted() -> None:
    drifted = [False, True, False, True, True, False, False, True]
    histories = [drifted[: end + 1] for end in range(len(drifted))]

    assert [alarm_is_active(history, drift_config()) for history in histories] == [
        False,
        False,
        False,
        True,
        True,
        True,
        False,
        False,
    ]
    assert [alarm_starts(history, drift_config()) for history in histories] == [
        False,
        False,
        False,
        True,
        False,
        False,
        False,
        False,
    ]


def test_windows_are_rounded_down_by_at_most_a_tenth_and_never_beyond_the_most() -> None:
    cfg = drift_config(max_texts=400)
    sizes = {texts: comparable_size(texts, cfg) for texts in range(1, 1000)}

    assert all(size <= texts and size > 0.9 * texts - 1 for texts, size in sizes.items() if texts <= 400)
    assert {size for texts, size in sizes.items() if texts >= 400} == {400}
    assert len(set(sizes.values())) < 50


def _alarms(windows: list[WindowSample], calibration: DriftCalibration, cfg: drift.DriftConfig) -> int:
    history: list[bool] = []
    started = 0
    for window in windows:
        history.append(judge_window(window, calibration)["drifted"])
        started += alarm_starts(history, cfg)
    return started
