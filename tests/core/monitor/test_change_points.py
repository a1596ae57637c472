"""Change points: false alarms within their budget, planted changes found with their size."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from confusions import GOOD, LABELS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import poisson

from pipeline.base.config import ChangePointConfig, PrevalenceConfig
from pipeline.core.monitor.change_points import find_change_points
from pipeline.core.prevalence.estimator import PrevalenceEstimator
from pipeline.core.prevalence.topic_texts import TopicTexts

HOURS, DAYS = 2191, 91  # windows a quarter


def config(**other: Any) -> ChangePointConfig:
    return ChangePointConfig(**{"min_windows": 3, "min_change": 0.05, **other})


def windows(shares: Iterable[float], noise: float = 0.03, **more: Any) -> list[dict[str, Any]]:
    return [
        {"start": f"{index:05}", "share": float(one), "noise": noise, "shift_spread": 0.0, **more}
        for index, one in enumerate(shares)
    ]


def change_points(
    *series: list[dict[str, Any]], quarter: float = HOURS, cfg: ChangePointConfig | None = None, **more: Any
) -> list[dict[str, Any]]:
    arguments: dict[str, Any] = {
        "false_alarms_per_quarter": 1.0,
        "windows_per_quarter": quarter,
        "confidence": 0.95,
        "seed": 1,
        **more,
    }
    return find_change_points(dict(zip(LABELS, series, strict=False)), cfg or config(), **arguments)


def noisy(level: NDArray[Any] | float, seed: int, *, noise: float = 0.03, windows: int = 100) -> NDArray[Any]:
    return np.asarray(level + np.random.default_rng(seed).normal(size=windows) * noise)


@pytest.mark.parametrize(
    ("quarter", "quarters", "budget"),
    [
        (DAYS, 200, 1.0),
        pytest.param(HOURS, 40, 1.0, marks=pytest.mark.slow),
        pytest.param(DAYS, 300, 0.2, marks=pytest.mark.slow),
    ],
)
def test_false_alarms_stay_within_the_budget(quarter: int, quarters: int, budget: float) -> None:
    # The least change is no help here: every false alarm counts.
    cfg, random = config(min_change=1e-9), np.random.default_rng(6)
    alarms = [
        len(
            change_points(
                *(windows(one, 0.06) for one in 0.3 + random.normal(size=(3, quarter)) * 0.06),
                quarter=quarter,
                cfg=cfg,
                false_alarms_per_quarter=budget,
            )
        )
        for _ in range(quarters)
    ]
    low, high = poisson.interval(0.95, budget * quarters)

    assert low <= sum(alarms) <= high, (
        f"{sum(alarms)} false alarms in {quarters} quarters, {low:.0f} to {high:.0f} expected"
    )


@pytest.mark.slow
def test_the_budget_is_shared_by_the_topics() -> None:
    random, cfg = np.random.default_rng(8), config(min_change=1e-9)
    series = [windows(random.normal(size=DAYS) * 0.06 + 0.3, 0.06) for _ in range(300)]
    few, many = (
        sum(len(change_points(one, quarter=DAYS, cfg=cfg, topics=topics)) for one in series)
        for topics in (1, 10)
    )

    assert many < few / 4, f"{few} false alarms with one topic, {many} with ten"


@pytest.mark.parametrize("change", [0.10, -0.10, 0.35])
def test_a_planted_change_is_located_and_its_interval_covers_it(change: float) -> None:
    indices, delays, covered, others = [], [], 0, 0
    for seed in range(150):
        detected = change_points(windows(noisy(0.4 + change * (np.arange(100) >= 60), seed)))
        point = min(detected, key=lambda point: abs(int(point["time"]) - 60))
        indices.append(abs(int(point["time"]) - 60))
        delays.append(int(point["detected"]) - 60 + 1)
        covered += point["low"] <= change <= point["high"]
        others += len(detected) - 1

    outcome = (
        f"at most {max(indices)} windows off, found after {np.median(delays)} windows, "
        f"covered {covered}, {others} others, of 150"
    )
    assert np.quantile(indices, 0.99) <= 3, outcome
    assert np.median(delays) <= 3, outcome
    assert 0.92 <= covered / 150 <= 0.99, outcome
    assert others <= 15, outcome


def test_a_change_among_windows_of_few_texts_is_found() -> None:
    indices = []
    for seed in range(100):
        near = change_points(
            windows(noisy(0.4 + 0.1 * (np.arange(160) >= 80), seed, noise=0.06, windows=160), 0.06)
        )
        indices.append(min((abs(int(point["time"]) - 80) for point in near), default=99))

    assert np.mean(np.array(indices) <= 3) >= 0.9, f"within 3 windows in {np.mean(np.array(indices) <= 3)}"


def test_two_changes_are_both_found() -> None:
    steps = np.repeat([0.3, 0.42, 0.34], [40, 30, 40])
    both = [
        [
            round(int(point["time"]) / 10)
            for point in change_points(windows(noisy(steps, seed, windows=110, noise=0.02), 0.02))
        ]
        for seed in range(50)
    ]

    assert sum(times == [4, 7] for times in both) >= 48, f"{both}"


def test_the_size_is_measured_between_neighbouring_changes() -> None:
    steps = np.repeat([0.3, 0.5, 0.4], [40, 40, 40])
    first, second = change_points(windows(steps))

    assert (first["time"], first["before"], first["after"], first["change"]) == (
        "00040",
        *map(pytest.approx, (0.3, 0.5, 0.2)),
    )
    assert (second["time"], second["before"], second["after"], second["change"]) == (
        "00080",
        *map(pytest.approx, (0.5, 0.4, -0.1)),
    )
    # 1.96 * 0.03 * sqrt(2 / 40)
    assert (
        first["high"] - first["change"] == first["change"] - first["low"] == pytest.approx(0.01315, abs=1e-4)
    )
    assert json.loads(json.dumps([first, second])) == [first, second]


@pytest.mark.parametrize("outlier", [1.0, 0.0, 0.7])
@pytest.mark.parametrize("index", [0, 3, 8, 50, 97, 98, 99])
def test_a_single_outlying_window_is_no_change_point(outlier: float, index: int) -> None:
    series = noisy(0.4, 3)
    series[index] = outlier

    assert change_points(windows(series)) == []


def test_a_change_below_the_minimum_is_no_change_point() -> None:
    series = np.repeat([0.30, 0.34], 200)

    assert change_points(windows(series, 0.01)) == []
    assert len(change_points(windows(series, 0.01), cfg=config(min_change=0.03))) == 1


def test_a_change_is_detected_after_the_minimum_number_of_windows_and_settled_as_many_later() -> None:
    series = np.repeat([0.3, 0.6], [50, 12])

    assert change_points(windows(series[:55])) == []
    assert [(point["time"], point["detected"]) for point in change_points(windows(series[:56]))] == [
        ("00050", "00052")
    ]
    (point,) = change_points(windows(series), quarter=DAYS, cfg=config(min_windows=6))
    assert (point["time"], point["detected"] >= "00053") == ("00050", True)


def test_reading_the_series_at_every_window_equals_reading_it_once() -> None:
    series = windows(noisy(np.repeat([0.3, 0.4, 0.34], 40), 5, windows=120))
    arguments: dict[str, Any] = {
        "quarter": DAYS,
        "cfg": config(min_change=1e-9),
        "false_alarms_per_quarter": 30.0,
    }
    detected = {point["detected"] for end in range(121) for point in change_points(series[:end], **arguments)}

    assert len(detected) > 4
    assert detected == {point["detected"] for point in change_points(series, **arguments)}


def test_missing_windows_are_skipped() -> None:
    series = windows(np.repeat([0.3, 0.5], 40))
    (change_point,) = change_points([window for index, window in enumerate(series) if index % 3 != 1])

    assert change_point["time"] == "00041"


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 8])
def test_a_short_or_empty_series_has_no_change_points(count: int) -> None:
    assert change_points(windows([0.3] * count)) == []
    assert change_points(windows([])) == []
    assert change_points() == []


@pytest.mark.parametrize(("least", "quarter"), [(1, 13), (2, 0.2), (50, 13), (3, 150_000)])
def test_a_bound_is_learnt_for_any_window_size(least: int, quarter: float) -> None:
    (point,) = change_points(
        windows(np.repeat([0.2, 0.8], 120)), quarter=quarter, cfg=config(min_windows=least)
    )

    assert point["time"] == "00120"


def test_windows_of_many_texts_weigh_more() -> None:
    series = windows(np.repeat([0.3, 0.5], 40))
    series[60] = {**series[60], "share": 0.9, "noise": 0.5}
    (point,) = change_points(series)

    assert point["after"] == pytest.approx(0.5, abs=0.001)


def test_the_error_of_a_bridge_is_no_change_point() -> None:
    jump = windows(np.repeat([0.30, 0.37], 100), 0.02)
    bridged = [{**one, "shift_spread": 0.04 if index < 100 else 0.0} for index, one in enumerate(jump)]

    assert len(change_points(jump)) == 1
    assert change_points(bridged) == []
    # A change that the bridge cannot have made is found, and its interval holds the bridge's error too.
    wide = [{**one, "share": one["share"] + 0.3 * (index >= 100)} for index, one in enumerate(bridged)]
    (point,) = change_points(wide)
    assert point["high"] - point["change"] == pytest.approx(
        1.96 * (2 * 0.02**2 / 100 + 0.04**2) ** 0.5, rel=1e-3
    )


def test_a_daily_cycle_is_soon_no_change_point() -> None:
    hours = np.arange(HOURS)
    late = [
        point
        for seed in range(5)
        for point in change_points(
            windows(noisy(0.4 + 0.1 * np.sin(hours * np.pi / 12), seed, windows=HOURS))
        )
        if int(point["detected"]) > 24 * 7
    ]

    assert len(late) <= 2, f"{len(late)} points in five quarters, after the first week"


def test_overdispersion_is_allowed_for() -> None:
    alarms = sum(
        len(
            change_points(
                windows(noisy(0.4, seed, noise=0.06, windows=HOURS), 0.03), cfg=config(min_change=1e-9)
            )
        )
        for seed in range(10)
    )

    # Budget 1 for the one label; the first few windows are too few to know it from.
    assert alarms <= 30, f"{alarms} points in ten quarters of twice the noise"


def test_equal_seeds_give_equal_change_points_in_any_order_of_labels() -> None:
    negative, positive = (
        windows(noisy(level, 2))
        for level in (0.3 + 0.2 * (np.arange(100) > 50), 0.5 - 0.2 * (np.arange(100) > 30))
    )
    arguments: dict[str, Any] = {
        "false_alarms_per_quarter": 1.0,
        "windows_per_quarter": DAYS,
        "confidence": 0.95,
        "seed": 3,
    }
    one, other = ({"negative": negative, "positive": positive}, {"positive": positive, "negative": negative})

    assert find_change_points(one, config(), **arguments) == find_change_points(other, config(), **arguments)
    assert [point["label"] for point in find_change_points(one, config(), **arguments)][:2] == [
        "positive",
        "negative",
    ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=60), st.integers(2, 3))
def test_change_points_lie_in_order_with_windows_on_both_sides(
    points: list[tuple[float, float]], least: int
) -> None:
    series = [
        {"start": f"{index:05}", "share": one, "noise": noise, "shift_spread": 0.0}
        for index, (one, noise) in enumerate(points)
    ]
    detected = change_points(series, quarter=DAYS, cfg=config(min_windows=least, min_change=0.01))
    times = [0, *(int(point["time"]) for point in detected), len(series)]

    assert all(later - earlier >= least for earlier, later in pairwise(times)) or not detected
    assert all(
        point["low"] <= point["change"] <= point["high"] and point["time"] <= point["detected"]
        for point in detected
    )


def test_from_predictions_to_change_points_the_true_change_is_covered() -> None:
    random, covered, worlds = np.random.default_rng(9), 0, 50
    # Shares of predictions move with the truth less than one to one, as the errors of the model have them.
    before, after = (float(np.dot(shares, GOOD[:, 0])) for shares in ((0.3, 0.4, 0.3), (0.42, 0.33, 0.25)))
    for _ in range(worlds):
        points = []
        for index in range(60):
            truth = random.multinomial(400, [0.3, 0.4, 0.3] if index < 30 else [0.42, 0.33, 0.25])
            predicted = sum(random.multinomial(count, row) for count, row in zip(truth, GOOD, strict=True))
            counts = np.asarray(predicted, dtype=np.float64)
            texts = TopicTexts(counts, counts, counts, 400.0)
            entry = PrevalenceEstimator(
                LABELS, {}, {}, blocked={}, cfg=PrevalenceConfig(), confidence=0.95
            ).topic("phones", texts)["negative"]
            points.append({"start": f"{index:05}", "shift_spread": 0.0, **entry})
        point = min(change_points(points), key=lambda point: abs(int(point["time"]) - 30))
        covered += point["low"] <= after - before <= point["high"]

    assert covered >= 0.88 * worlds, f"covered {covered} of {worlds}"
