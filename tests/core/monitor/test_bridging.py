"""Changes of the model: what they do to the shares, and series that are bridged over them."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from confusions import (
    GOOD,
    GOOD_COUNTS,
    LABELS,
    OTHER,
    OTHER_COUNTS,
    TEST_SHARES,
    Array,
    bootstrap_settings,
    sample_confusion,
)

from pipeline.base.documents import LabelShift
from pipeline.core.monitor import bridging
from pipeline.core.monitor.bridging import SeriesPoint, TimedShift
from pipeline.core.monitor.confusion_correction import Correction


def predict(rates: Array, truth: Array, draw: Array) -> Array:
    return (draw[:, None] > np.cumsum(rates, axis=1)[truth]).sum(axis=1)


def test_a_release_compared_with_itself_shows_no_shift() -> None:
    predicted = [0, 1, 2, 2, 2] * 40
    shifts = bridging.measure_model_shift(
        predicted, predicted, GOOD_COUNTS, GOOD_COUNTS, LABELS, bootstrap=bootstrap_settings(1)
    )

    assert shifts is not None
    assert [entry["difference"] for entry in shifts.values()] == [0, 0, 0]
    # Equal predictions so far do not prove that the next ones agree, but little else is left.
    assert all(
        -0.02 < entry["low"] < 0 < entry["high"] < 0.02 and entry["shift"] == 0 for entry in shifts.values()
    )


def test_the_shifts_of_all_labels_sum_to_zero() -> None:
    random = np.random.default_rng(4)
    truth, draw = random.integers(3, size=400), random.random(400)
    shifts = bridging.measure_model_shift(
        predict(GOOD, truth, draw).tolist(),
        predict(OTHER, truth, draw).tolist(),
        sample_confusion(GOOD, 900, random),
        sample_confusion(OTHER, 900, random),
        LABELS,
        bootstrap=bootstrap_settings(1),
    )

    assert shifts is not None
    assert sum(entry["difference"] for entry in shifts.values()) == pytest.approx(0)
    assert sum(entry["shift"] for entry in shifts.values()) == pytest.approx(0)
    assert all(
        abs(entry["shift"]) <= abs(entry["difference"]) + 0.01 and entry["shift_spread"] < entry["spread"]
        for entry in shifts.values()
    )
    assert json.loads(json.dumps(shifts)) == shifts


def test_without_a_correction_the_raw_share_is_compared() -> None:
    shifts = bridging.measure_model_shift(
        [0, 1, 2, 2], [0, 0, 1, 2], np.zeros((3, 3)), GOOD_COUNTS, LABELS, bootstrap=bootstrap_settings(1)
    )

    assert shifts is not None
    new = Correction(GOOD_COUNTS, LABELS, 0.95).share(np.array([0.5, 0.25, 0.25]))
    assert shifts["negative"]["difference"] == pytest.approx(new[0] - 0.25)
    assert shifts["negative"]["shift"] == shifts["negative"]["difference"]
    assert not shifts["negative"]["corrected"]


class World:
    """Two releases with different errors, evaluated on one test split; both predict the same texts."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        truth = random.choice(3, size=1200, p=TEST_SHARES)
        self.confusions = [np.zeros((3, 3)), np.zeros((3, 3))]
        for counts, rates in zip(self.confusions, (GOOD, OTHER), strict=True):
            np.add.at(counts, (truth, predict(rates, truth, random.random(1200))), 1)

    def predict(self, texts: int) -> list[list[int]]:
        """Predict the same texts by both; half of the time they are wrong about the same ones."""
        truth, draw, own = (
            self.random.choice(3, size=texts, p=(0.2, 0.3, 0.5)),
            self.random.random(texts),
            self.random.random(texts),
        )
        other = np.where(self.random.random(texts) < 0.5, draw, own)
        return [predict(rates, truth, draw).tolist() for rates, draw in ((GOOD, draw), (OTHER, other))]

    def measure(self, texts: int, seed: int) -> dict[str, LabelShift]:
        shifts = bridging.measure_model_shift(
            *self.predict(texts), *self.confusions, LABELS, bootstrap=bootstrap_settings(seed)
        )
        assert shifts is not None
        return shifts


def test_a_change_of_the_model_alone_leaves_no_jump_once_bridged() -> None:
    random, covered, left, jumps = np.random.default_rng(21), np.zeros(3), [], []
    for seed in range(300):
        world = World(random)
        shifts, later = world.measure(400, seed), world.measure(8_000, seed)
        for row, label in enumerate(LABELS):
            (before,) = bridging.bridge_series(
                [point("1", low=0.45, high=0.55)],
                [{"time": "2", **shifts[label]}],
            )
            # The share by the new release less that by the old one once bridged, on many equal texts.
            rest = 0.5 + later[label]["difference"] - before["share"]
            error = np.hypot(before["shift_spread"], later[label]["spread"])
            covered[row] += abs(rest) <= 1.96 * error
            left.append(abs(rest))
            jumps.append(abs(later[label]["difference"]))
    rates, rest, jump = (covered / 300).round(3), float(np.mean(left)), float(np.mean(jumps))

    assert min(rates) >= 0.93, f"nothing lies in the interval in {rates} of 300 worlds, by label"
    assert rest < 0.015, f"{rest:.4f} of a share is left on average, of {jump:.4f} before"
    assert rest < jump, f"{rest:.4f} is left of {jump:.4f}"


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


def test_no_texts_show_no_shift() -> None:
    shifts = bridging.measure_model_shift(
        [], [], GOOD_COUNTS, OTHER_COUNTS, LABELS, bootstrap=bootstrap_settings(1)
    )

    assert shifts is None


def test_an_empty_series_stays_empty() -> None:
    assert bridging.bridge_series([], [change("09", 0.1, 0.1)]) == []
