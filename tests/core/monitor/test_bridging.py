"""Changes of the model: what they do to the shares, and series that are bridged over them."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from confusions import (
    GOOD,
    LABELS,
    OTHER,
    Array,
)

from pipeline.base.documents import LabelShift
from pipeline.core.monitor import bridging
from pipeline.core.monitor.bridging import SeriesPoint, TimedShift


def predict(rates: Array, truth: Array, draw: Array) -> Array:
    return (draw[:, None] > np.cumsum(rates, axis=1)[truth]).sum(axis=1)


def measure(pairs: dict[str, tuple[Any, Any]]) -> dict[str, dict[str, LabelShift]]:
    carried = {
        topic: tuple([(int(label),) for label in predicted] for predicted in both)
        for topic, both in pairs.items()
    }
    return bridging.measure_model_shifts(carried, LABELS, confidence=0.95)  # type: ignore[arg-type]


def test_a_release_compared_with_itself_shows_no_shift() -> None:
    predicted = [0, 1, 2, 2, 2] * 40
    shifts = measure({"phones": (predicted, predicted)})["phones"]

    assert [entry["difference"] for entry in shifts.values()] == [0, 0, 0]
    # Equal predictions so far do not prove that the next ones agree, but little else is left.
    assert all(
        -0.02 < entry["low"] < 0 < entry["high"] < 0.02 and entry["shift"] == 0 for entry in shifts.values()
    )


def test_the_shifts_of_all_labels_sum_to_zero() -> None:
    random = np.random.default_rng(4)
    truth, draw = random.integers(3, size=400), random.random(400)
    shifts = measure({"phones": (predict(GOOD, truth, draw), predict(OTHER, truth, draw))})["phones"]

    assert sum(entry["difference"] for entry in shifts.values()) == pytest.approx(0)
    assert json.loads(json.dumps(shifts)) == shifts
    assert all(not entry["corrected"] for entry in shifts.values())


def test_the_difference_is_that_of_the_shares_of_predictions() -> None:
    shifts = measure({"phones": ([0, 1, 2, 2], [0, 0, 1, 2])})["phones"]

    assert [entry["difference"] for entry in shifts.values()] == [0.25, 0, -0.25]


def test_a_topic_of_few_texts_is_shrunk_towards_the_others() -> None:
    random = np.random.default_rng(2)
    pairs = {}
    for topic, texts in {"a": 400, "b": 400, "c": 400, "few": 20}.items():
        old = random.integers(3, size=texts)
        flipped = random.random(texts) < (0.4 if topic == "few" else 0.1)
        pairs[topic] = (old, np.where(flipped, 0, old))
    shifts = {topic: labels["negative"] for topic, labels in measure(pairs).items()}

    assert abs(shifts["few"]["shift"]) < 0.8 * abs(shifts["few"]["difference"])
    assert shifts["a"]["shift"] == pytest.approx(shifts["a"]["difference"], abs=0.02)


def test_each_topic_is_bridged_by_its_own_difference() -> None:
    random, shares = np.random.default_rng(3), {"up": 0.3, "down": -0.2, "same": 0.0, "little": 0.05}
    errors, covered = [], 0
    for _ in range(200):
        pairs = {}
        for topic, by in shares.items():
            old = (random.random(400) < 0.5).astype(int)
            moved = random.random(400) < abs(by) * 2
            pairs[topic] = (old, np.where(moved & (old == int(by < 0)), int(by > 0), old))
        for topic, labels in measure(pairs).items():
            shift = labels["neutral"]
            errors.append(shift["shift"] - shares[topic])
            covered += shift["shift_low"] <= shares[topic] <= shift["shift_high"]

    assert covered >= 0.93 * 800, f"{covered} of 800 intervals cover"
    assert abs(np.mean(errors)) < 0.005


def test_a_share_corrected_by_audit_labels_is_not_shifted() -> None:
    shift = {**change("09", 0.2, 0.01), "corrected": False}
    corrected, raw = (
        bridging.bridge_series([point("08", corrected=corrected)], [shift])[0]["share"]
        for corrected in (True, False)
    )

    assert (corrected, raw) == (0.5, pytest.approx(0.7))


def point(start: str, **more: Any) -> SeriesPoint:
    return {
        "start": start,
        "raw": 0.4,
        "share": 0.5,
        "low": 0.4,
        "high": 0.6,
        "spread": 0.05,
        "noise": 0.04,
        "release": "r1",
        "corrected": True,
        **more,
    }


def change(time: str, shift: float, half: float) -> TimedShift:
    moved = {"shift": shift, "shift_low": shift - half, "shift_high": shift + half, "shift_spread": half / 2}
    return {"time": time, "difference": shift, "low": shift - half, "high": shift + half, **moved}


def test_windows_before_a_change_are_shifted_and_widened() -> None:
    before, after = bridging.bridge_series(
        [point("08"), point("09", release="r2")], [change("09", 0.03, 0.075)]
    )

    assert before["share"] == pytest.approx(0.53)
    # The square root of 0.1 squared and 0.075 squared is 0.125.
    assert (before["low"], before["high"]) == (pytest.approx(0.405), pytest.approx(0.655))
    assert (before["raw"], before["unbridged"], before["shift"], before["shift_spread"]) == (
        0.4,
        0.5,
        0.03,
        0.0375,
    )
    assert after == {**point("09", release="r2"), "unbridged": 0.5, "shift": 0.0, "shift_spread": 0.0}


def test_the_oldest_windows_are_shifted_by_all_changes_in_any_order() -> None:
    points = [point("07"), point("08", release="r2"), point("09", release="r3")]
    bridged = bridging.bridge_series(points, [change("09", -0.1, 0.04), change("08", 0.03, 0.03)])

    assert [entry["share"] for entry in bridged] == pytest.approx([0.43, 0.4, 0.5])
    assert bridged[0]["shift_spread"] == pytest.approx(0.025)


def test_a_shifted_share_stays_between_0_and_1() -> None:
    (bridged,) = bridging.bridge_series(
        [point("08", share=0.02, low=0.0, high=0.05)], [change("09", -0.1, 0.01)]
    )

    assert (bridged["share"], bridged["low"], bridged["high"]) == (0, 0, 0)
    assert bridged["shift"] == -0.1


def test_an_unmeasured_change_shifts_nothing_but_widens_the_error() -> None:
    before, after = bridging.bridge_series([point("08"), point("09", release="r2")], [])

    assert (before["share"], before["low"], before["high"]) == (0.5, 0.4, 0.6)
    # Each model's own error is the square root of 0.05 squared less 0.04 squared: 0.03.
    assert before["shift_spread"] == pytest.approx(0.03 * 2**0.5)
    assert after["shift_spread"] == 0


def test_a_year_of_hourly_windows_is_bridged() -> None:
    points = [point(f"{hour:05}", release=f"r{hour // 100}") for hour in range(8760)]
    bridged = bridging.bridge_series(
        points, [change(f"{hour:05}", 0.001, 0.001) for hour in range(100, 8760, 100)]
    )

    assert [entry["start"] for entry in bridged] == [entry["start"] for entry in points]
    assert all(later["shift"] <= earlier["shift"] for earlier, later in pairwise(bridged))


def test_an_empty_series_stays_empty() -> None:
    assert bridging.bridge_series([], [change("09", 0.1, 0.1)]) == []
