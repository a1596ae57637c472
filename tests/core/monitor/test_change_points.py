"""Tone events: false alarms within their budget, planted changes found with their size."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import poisson

from pipeline.base.config import ChangePointConfig
from pipeline.core.monitor import prevalence
from pipeline.core.monitor.change_points import find_change_points

HOURS, DAYS = 2191, 91  # windows a quarter
LABELS = ("negative", "neutral", "positive")


def config(**other: Any) -> ChangePointConfig:
    return ChangePointConfig(**{"min_windows": 3, "false_alarms_per_quarter": 1.0, "min_change": 0.05, **other})


def windows(shares: Iterable[float], noise: float = 0.03, **more: Any) -> list[dict[str, Any]]:
    return [
        {"start": f"{place:05}", "share": float(one), "noise": noise, **more}
        for place, one in enumerate(shares)
    ]


def found(
    *series: list[dict[str, Any]], quarter: float = HOURS, cfg: ChangePointConfig | None = None, **more: Any
) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {"windows_per_quarter": quarter, "confidence": 0.95, "seed": 1, **more}
    return find_change_points(dict(zip(LABELS, series, strict=False)), cfg or config(), **asked)


def noisy(level: NDArray[Any] | float, seed: int, *, noise: float = 0.03, windows: int = 100) -> NDArray[Any]:
    return np.asarray(level + np.random.default_rng(seed).normal(size=windows) * noise)


@pytest.mark.parametrize(
    ("quarter", "quarters", "budget"), [(HOURS, 40, 1.0), (DAYS, 200, 1.0), (DAYS, 300, 0.2)]
)
def test_chance_alone_raises_no_more_false_alarms_than_the_budget(
    quarter: int, quarters: int, budget: float
) -> None:
    # The least change is no help here: every false alarm counts.
    cfg, random = config(false_alarms_per_quarter=budget, min_change=1e-9), np.random.default_rng(6)
    alarms = [
        len(
            found(
                *(windows(one, 0.06) for one in 0.3 + random.normal(size=(3, quarter)) * 0.06),
                quarter=quarter,
                cfg=cfg,
            )
        )
        for _ in range(quarters)
    ]
    low, high = poisson.interval(0.95, budget * quarters)

    assert low <= sum(alarms) <= high, (
        f"{sum(alarms)} false alarms in {quarters} quarters, {low:.0f} to {high:.0f} expected"
    )


def test_the_budget_is_shared_by_the_topics() -> None:
    random, cfg = np.random.default_rng(8), config(min_change=1e-9)
    series = [windows(random.normal(size=DAYS) * 0.06 + 0.3, 0.06) for _ in range(300)]
    few, many = (
        sum(len(found(one, quarter=DAYS, cfg=cfg, topics=topics)) for one in series) for topics in (1, 10)
    )

    assert many < few / 4, f"{few} false alarms with one topic, {many} with ten"


@pytest.mark.parametrize("change", [0.10, -0.10, 0.35])
def test_a_planted_change_is_found_at_its_place_and_its_interval_covers_it(change: float) -> None:
    places, delays, covered, others = [], [], 0, 0
    for seed in range(150):
        all_found = found(windows(noisy(0.4 + change * (np.arange(100) >= 60), seed)))
        event = min(all_found, key=lambda event: abs(int(event["time"]) - 60))
        places.append(abs(int(event["time"]) - 60))
        delays.append(int(event["found"]) - 60 + 1)
        covered += event["low"] <= change <= event["high"]
        others += len(all_found) - 1

    told = f"at most {max(places)} windows off, found after {np.median(delays)} windows, covered {covered}, {others} others, of 150"
    assert np.quantile(places, 0.99) <= 3, told
    assert np.median(delays) <= 3, told
    assert 0.92 <= covered / 150 <= 0.99, told
    assert others <= 15, told


def test_a_change_among_windows_of_few_texts_is_found_too() -> None:
    places = []
    for seed in range(100):
        near = found(windows(noisy(0.4 + 0.1 * (np.arange(160) >= 80), seed, noise=0.06, windows=160), 0.06))
        places.append(min((abs(int(event["time"]) - 80) for event in near), default=99))

    assert np.mean(np.array(places) <= 3) >= 0.9, f"within 3 windows in {np.mean(np.array(places) <= 3)}"


def test_two_changes_are_found_both() -> None:
    steps = np.repeat([0.3, 0.42, 0.34], [40, 30, 40])
    both = [
        [
            round(int(event["time"]) / 10)
            for event in found(windows(noisy(steps, seed, windows=110, noise=0.02), 0.02))
        ]
        for seed in range(50)
    ]

    assert sum(times == [4, 7] for times in both) >= 48, f"{both}"


def test_the_size_is_that_between_the_changes_around_it() -> None:
    steps = np.repeat([0.3, 0.5, 0.4], [40, 40, 40])
    first, second = found(windows(steps))

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
@pytest.mark.parametrize("place", [0, 3, 8, 50, 97, 98, 99])
def test_a_single_window_that_stands_apart_is_no_event(outlier: float, place: int) -> None:
    series = noisy(0.4, 3)
    series[place] = outlier

    assert found(windows(series)) == []


def test_a_change_smaller_than_what_matters_is_no_event() -> None:
    series = np.repeat([0.30, 0.34], 200)

    assert found(windows(series, 0.01)) == []
    assert len(found(windows(series, 0.01), cfg=config(min_change=0.03))) == 1


def test_a_change_shows_once_as_many_windows_as_asked_came_after_it() -> None:
    series = np.repeat([0.3, 0.6], [50, 12])

    assert found(windows(series[:52])) == []
    assert [(event["time"], event["found"]) for event in found(windows(series[:53]))] == [("00050", "00052")]
    (event,) = found(windows(series), quarter=DAYS, cfg=config(min_windows=6))
    assert (event["time"], event["found"] >= "00053") == ("00050", True)


def test_reading_the_series_again_at_every_window_tells_what_reading_it_once_tells() -> None:
    series = windows(noisy(np.repeat([0.3, 0.4, 0.34], 40), 5, windows=120))
    asked: dict[str, Any] = {"quarter": DAYS, "cfg": config(false_alarms_per_quarter=30.0, min_change=1e-9)}
    told = {event["found"] for end in range(121) for event in found(series[:end], **asked)}

    assert len(told) > 4
    assert told == {event["found"] for event in found(series, **asked)}


def test_windows_that_are_missing_are_passed_over() -> None:
    series = windows(np.repeat([0.3, 0.5], 40))
    gaps = [{**one, "share": None} if place % 3 == 1 else one for place, one in enumerate(series)]
    (event,) = found(gaps)

    assert event["time"] == "00041"
    assert event == found([one for one in gaps if one["share"] is not None])[0]


@pytest.mark.parametrize("many", [0, 1, 5, 6, 7, 8])
def test_a_short_series_has_no_events_or_a_sure_one(many: int) -> None:
    assert found(windows([0.3] * many)) == []
    assert found(windows([])) == []
    assert find_change_points({}, config(), windows_per_quarter=HOURS, confidence=0.95, seed=1) == []


@pytest.mark.parametrize(("least", "quarter"), [(1, 13), (2, 0.2), (50, 13), (3, 150_000)])
def test_a_bound_is_learnt_whatever_the_windows_are(least: int, quarter: float) -> None:
    (event,) = found(windows(np.repeat([0.2, 0.8], 120)), quarter=quarter, cfg=config(min_windows=least))

    assert event["time"] == "00120"


def test_the_interval_stands_for_the_noise_where_that_is_not_told() -> None:
    plain = windows(np.repeat([0.3, 0.5], 40))
    ends = [
        {
            "start": one["start"],
            "share": one["share"],
            "low": one["share"] - 0.0588,
            "high": one["share"] + 0.0588,
        }
        for one in plain
    ]

    assert found(ends)[0]["low"] == pytest.approx(found(plain)[0]["low"], abs=1e-5)


def test_windows_of_many_texts_count_for_more() -> None:
    series = windows(np.repeat([0.3, 0.5], 40))
    series[60] = {**series[60], "share": 0.9, "noise": 0.5}
    (event,) = found(series)

    assert event["after"] == pytest.approx(0.5, abs=0.001)


def test_the_error_of_a_bridge_is_no_change_of_tone() -> None:
    jump = windows(np.repeat([0.30, 0.37], 100), 0.02)
    bridged = [{**one, "shift_spread": 0.04 if place < 100 else 0.0} for place, one in enumerate(jump)]

    assert len(found(jump)) == 1
    assert found(bridged) == []
    # A change that the bridge cannot have made is found, and its interval holds the bridge's error too.
    wide = [{**one, "share": one["share"] + 0.3 * (place >= 100)} for place, one in enumerate(bridged)]
    (event,) = found(wide)
    assert event["high"] - event["change"] == pytest.approx(
        1.96 * (2 * 0.02**2 / 100 + 0.04**2) ** 0.5, rel=1e-3
    )


def test_the_swing_of_the_day_is_soon_no_event() -> None:
    hours = np.arange(HOURS)
    late = [
        event
        for seed in range(5)
        for event in found(windows(noisy(0.4 + 0.1 * np.sin(hours * np.pi / 12), seed, windows=HOURS)))
        if int(event["found"]) > 24 * 7
    ]

    assert len(late) <= 2, f"{len(late)} events in five quarters, after the first week"


def test_more_scatter_than_the_noise_says_is_allowed_for() -> None:
    alarms = sum(
        len(found(windows(noisy(0.4, seed, noise=0.06, windows=HOURS), 0.03), cfg=config(min_change=1e-9)))
        for seed in range(10)
    )

    # Budget 1 for the one label; the first few windows are too few to know it from.
    assert alarms <= 30, f"{alarms} events in ten quarters of twice the noise"


def test_equal_seeds_give_equal_events_and_the_order_of_the_labels_does_not_matter() -> None:
    negative, positive = (
        windows(noisy(level, 2))
        for level in (0.3 + 0.2 * (np.arange(100) > 50), 0.5 - 0.2 * (np.arange(100) > 30))
    )
    asked: dict[str, Any] = {"windows_per_quarter": DAYS, "confidence": 0.95, "seed": 3}
    one, other = ({"negative": negative, "positive": positive}, {"positive": positive, "negative": negative})

    assert find_change_points(one, config(), **asked) == find_change_points(other, config(), **asked)
    assert [event["label"] for event in find_change_points(one, config(), **asked)][:2] == [
        "positive",
        "negative",
    ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=60), st.integers(2, 3))
def test_whatever_the_series_events_lie_in_order_with_windows_on_both_sides(
    points: list[tuple[float, float]], least: int
) -> None:
    series = [
        {"start": f"{place:05}", "share": one, "noise": noise} for place, (one, noise) in enumerate(points)
    ]
    told = found(series, quarter=DAYS, cfg=config(min_windows=least, min_change=0.01))
    times = [0, *(int(event["time"]) for event in told), len(series)]

    assert all(later - earlier >= least for earlier, later in pairwise(times)) or not told
    assert all(
        event["low"] <= event["change"] <= event["high"] and event["time"] <= event["found"] for event in told
    )


def test_from_guesses_to_events_the_true_change_is_covered() -> None:
    rows = np.array([[0.85, 0.10, 0.05], [0.12, 0.76, 0.12], [0.04, 0.10, 0.86]])
    random, covered, many = np.random.default_rng(9), 0, 50
    for seed in range(many):
        confusion = np.array([random.multinomial(400, row) for row in rows])
        points = []
        for place in range(60):
            truth = random.multinomial(400, [0.3, 0.4, 0.3] if place < 30 else [0.42, 0.33, 0.25])
            guessed = sum(random.multinomial(count, row) for count, row in zip(truth, rows, strict=True))
            shares = prevalence.estimate_prevalence(
                guessed, confusion, LABELS, resamples=100, confidence=0.95, seed=seed
            )
            assert shares is not None
            points.append({"start": f"{place:05}", **shares["negative"]})
        event = min(found(points), key=lambda event: abs(int(event["time"]) - 30))
        covered += event["low"] <= 0.12 <= event["high"]

    assert covered >= 0.88 * many, f"covered {covered} of {many}"
