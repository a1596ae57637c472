"""The layout of charts over time."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.charts.series import Point, SeriesEvent, series_plot, strip_plot, volume_path
from pipeline.report.charts.time_axis import TimeSpan, utc_seconds

DAY = TimeSpan.of("2026-11-25T00:00:00Z", "2026-11-25T10:00:00Z")


def hour(number: int, value: float = 0.4, reach: float = 0.1) -> Point:
    return Point(
        f"2026-11-25T{number:02d}:00:00Z",
        f"2026-11-25T{number + 1:02d}:00:00Z",
        value,
        value - reach,
        value + reach,
    )


def test_a_value_lies_in_the_middle_of_its_window() -> None:
    plot = series_plot({"positive": [hour(0, 0.0, 0.0), hour(1, 0.8, 0.0)]}, DAY, floor=0.0)

    (line,) = plot.lines
    # The axis goes from 0 % at 224 to 80 % or 100 % on top; windows of an hour in ten lie 10 % apart.
    top = plot.upward[-1]
    assert line.path.startswith("M5 224L15 ")
    assert (plot.upward[0].label, plot.upward[0].at, top.at) == ("0%", 224.0, 14.0)
    assert float(line.path.split()[-1]) == pytest.approx(
        224 - 210 * 0.8 / (float(top.label.rstrip("%")) / 100), abs=0.1
    )


def test_a_line_is_broken_where_a_window_is_missing() -> None:
    (line,) = series_plot({"positive": [hour(0), hour(1), hour(4), hour(6), hour(7)]}, DAY, floor=0.0).lines

    assert line.path.count("M") == 2
    assert line.band.count("z") == 2
    assert [dot.x for dot in line.dots] == [45.0]


def test_a_scattered_line_consists_of_single_points() -> None:
    (line,) = series_plot({"observed": [hour(0), hour(1)]}, DAY, floor=None, scattered=("observed",)).lines

    assert (line.path, line.band, len(line.dots)) == ("", "", 2)
    assert line.dots[0].high < line.dots[0].y < line.dots[0].low


def test_a_label_from_outside_never_becomes_a_css_class() -> None:
    plot = series_plot({'"><script>': [hour(0)], "neutral": [hour(0)]}, DAY, floor=0.0)

    assert [line.kind for line in plot.lines] == ["other-0", "neutral"]


def test_events_and_marks_lie_at_their_times() -> None:
    rise = SeriesEvent("2026-11-25T05:00:00Z", "negative", 0.4, True, "it rose")
    unknown = SeriesEvent("2026-11-25T05:00:00Z", "unheard of", 0.4, True, "?")

    plot = series_plot(
        {"negative": [hour(0)]},
        DAY,
        floor=0.0,
        marks=[("2026-11-25T02:00:00Z", "R1 → R2")],
        events=[rise, unknown],
    )

    assert [(mark.at, mark.label) for mark in plot.marks] == [(20.0, "R1 → R2")]
    assert [(event.x, event.kind, event.title) for event in plot.events] == [
        (50.0, "negative rising", "it rose")
    ]


def test_a_strip_collects_one_path_for_each_state() -> None:
    ends = [(f"2026-11-25T0{n}:00:00Z", f"2026-11-25T0{n + 1}:00:00Z") for n in range(3)]

    (lane,) = strip_plot({"All": [(*ends[0], "calm"), (*ends[1], "alarm"), (*ends[2], "calm")]}, DAY).lanes

    assert lane.states == {
        "calm": "M0 0h10.000V10h-10.000zM20 0h10.000V10h-10.000z",
        "alarm": "M10 0h10.000V10h-10.000z",
    }


def test_the_window_with_the_most_texts_has_the_highest_bar() -> None:
    path = volume_path(
        [
            ("2026-11-25T00:00:00Z", "2026-11-25T01:00:00Z", 50),
            ("2026-11-25T01:00:00Z", "2026-11-25T02:00:00Z", 100),
        ],
        DAY,
        20,
    )

    assert re.findall(r"M([\d.]+) ([\d.]+)h", path) == [("0", "10"), ("10", "0")]


def test_no_values_give_an_empty_chart() -> None:
    assert series_plot({}, DAY, floor=0.0).lines == ()
    assert volume_path([], DAY, 20) == ""
    assert strip_plot({}, DAY).lanes == ()


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 8))
def test_time_ticks_are_few_and_lie_inside(start: int, length: int, most: int) -> None:
    ticks = TimeSpan(start, max(60, length)).ticks(most)

    assert len(ticks) <= most + 1
    assert all(0 <= tick.at <= 100 for tick in ticks)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.5)), min_size=1, max_size=8))
def test_all_marks_lie_inside_the_chart(figures: list[tuple[float, float]]) -> None:
    points = [
        Point(p.start, p.end, value, max(0, value - reach), min(1, value + reach))
        for n, (value, reach) in enumerate(figures)
        for p in [hour(n)]
    ]

    (line,) = series_plot({"positive": points}, DAY, floor=0.0).lines

    numbers = [float(number) for number in re.findall(r"[-\d.]+ ([-\d.]+)", line.path + line.band)] + [
        dot.y for dot in line.dots
    ]
    assert all(10 <= number <= 224.1 for number in numbers)


def test_a_time_is_converted_to_seconds() -> None:
    assert utc_seconds("1970-01-02T00:00:01Z") == 86401
