"""Lay out charts over time: figures of windows in, places out; `series.svg.j2` draws them.

Horizontal places are per cent of the width and paths lie in a stretched coordinate system, so one drawing
fits any screen. A line is broken where a window is missing: nothing is drawn that was not measured.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.report.charts.axes import Tick, domain, scale, steps
from pipeline.report.charts.time_axis import TimeSpan, utc_seconds

TOP, BASE, HEIGHT = 14.0, 224.0, 250.0
WIDE, NARROW = 6, 3  # time marks at most; a narrow screen hides every other one of a wide chart
LANE, TRACK = 34.0, 10.0
KINDS = ("negative", "neutral", "positive")
OTHER_KINDS = 4
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Point:
    """A value with its interval, and its window."""

    start: str
    end: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Dot:
    """The place of a single value or of an event."""

    x: float
    y: float
    low: float
    high: float
    title: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Line:
    """A line: its name, its CSS class, the paths of its band and of itself, and its single values."""

    name: str
    kind: str
    band: str
    path: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class SeriesPlot:
    """Lines, ticks of both axes, vertical lines (`marks`) and events on the lines."""

    height: float
    base: float
    across: tuple[Tick, ...]
    upward: tuple[Tick, ...]
    lines: tuple[Line, ...]
    marks: tuple[Tick, ...]
    events: tuple[Dot, ...]


@dataclass(frozen=True)
class SeriesEvent:
    """An event on the line `name`: when, the value after it, up or down, and its description."""

    time: str
    name: str
    value: float
    rising: bool
    description: str


@dataclass(frozen=True)
class Lane:
    """One row of a strip chart: its name and a path for each state."""

    name: str
    y: float
    states: Mapping[str, str]


@dataclass(frozen=True)
class StripPlot:
    """Rows of states over one time axis."""

    height: float
    base: float
    across: tuple[Tick, ...]
    lanes: tuple[Lane, ...]


def series_plot(
    lines: Mapping[str, Sequence[Point]],
    span: TimeSpan,
    *,
    floor: float | None,
    most: int = NARROW,
    scattered: Collection[str] = (),
    marks: Iterable[tuple[str, str]] = (),
    events: Iterable[SeriesEvent] = (),
) -> SeriesPlot:
    """Lay out lines with their bands; `floor` is the start of the axis, None for the lowest value.

    At most `most` times are written on the axis. `marks` are vertical lines: a UTC time and a label each. The
    values of a `scattered` line are not joined, since each is about different texts.
    """
    values = [
        bound for line in lines.values() for point in line for bound in (point.low, point.high, point.value)
    ]
    low, high, step = domain(
        min(values, default=0.0) if floor is None else floor, min(1.0, max(values, default=1.0))
    )
    y = scale(low, high, BASE, TOP)
    names = list(lines)
    event_dots = (
        _event(event, y(event.value), span, _kind(event.name, names))
        for event in events
        if event.name in lines
    )
    return SeriesPlot(
        height=HEIGHT,
        base=BASE,
        across=span.ticks(most),
        upward=tuple(Tick(y(value), f"{value:.0%}") for value in steps(low, high, step) if value <= 1 + 1e-9),
        lines=tuple(
            _line(name, _kind(name, names), points, span, y=y, joined=name not in scattered)
            for name, points in lines.items()
        ),
        marks=tuple(Tick(span.at(time), label) for time, label in marks),
        events=tuple(event_dots),
    )


def strip_plot(lanes: Mapping[str, Sequence[tuple[str, str, str]]], span: TimeSpan) -> StripPlot:
    """Lay out rows of states, each (start, end, state) in UTC times."""
    base = LANE * len(lanes) + 4
    return StripPlot(
        height=base + 24,
        base=base,
        across=span.ticks(NARROW),
        lanes=tuple(
            _lane(name, LANE * row, states, span) for row, (name, states) in enumerate(lanes.items())
        ),
    )


def volume_path(texts: Sequence[tuple[str, str, int]], span: TimeSpan, height: float) -> str:
    """Return the SVG path of one bar for each window; the one with the most texts is `height` high.

    A window is its start and its end, both UTC times, and the number of its texts.
    """
    most = max((count for _, _, count in texts), default=0) or 1
    return "".join(
        _box(span.at(start), span.at(end), height * (1 - count / most), height) for start, end, count in texts
    )


def _line(name: str, kind: str, points: Sequence[Point], span: TimeSpan, *, y: Scale, joined: bool) -> Line:
    placed = [(_middle(point, span), point) for point in points]
    runs: list[list[tuple[float, Point]]] = []
    for x, point in placed:
        if joined and runs and utc_seconds(point.start) <= utc_seconds(runs[-1][-1][1].end):
            runs[-1].append((x, point))
        else:
            runs.append([(x, point)])
    joined_runs = [run for run in runs if len(run) > 1]
    return Line(
        name=name,
        kind=kind,
        band="".join(_band(run, y) for run in joined_runs),
        path="".join("M" + "L".join(f"{x:g} {y(point.value):g}" for x, point in run) for run in joined_runs),
        dots=tuple(
            Dot(x, y(point.value), y(point.low), y(point.high))
            for run in runs
            if len(run) == 1
            for x, point in run
        ),
    )


def _band(run: Sequence[tuple[float, Point]], y: Scale) -> str:
    upper = [f"{x:g} {y(point.high):g}" for x, point in run]
    lower = [f"{x:g} {y(point.low):g}" for x, point in reversed(run)]
    return "M" + "L".join(upper + lower) + "z"


def _middle(point: Point, span: TimeSpan) -> float:
    return span.place((utc_seconds(point.start) + utc_seconds(point.end)) / 2)


def _event(event: SeriesEvent, y: float, span: TimeSpan, kind: str) -> Dot:
    return Dot(
        span.at(event.time), y, y, y, event.description, f"{kind} {'rising' if event.rising else 'falling'}"
    )


def _kind(name: str, names: Sequence[str]) -> str:
    # A label comes from outside; only known words become a CSS class.
    return name if name in KINDS else f"other-{names.index(name) % OTHER_KINDS}"


def _lane(name: str, y: float, states: Sequence[tuple[str, str, str]], span: TimeSpan) -> Lane:
    paths: dict[str, str] = {}
    for start, end, state in states:
        paths[state] = paths.get(state, "") + _box(span.at(start), span.at(end), 0, TRACK)
    return Lane(name, y, paths)


def _box(left: float, right: float, top: float, bottom: float) -> str:
    # A minute in a year stays visible.
    width = max(0.15, right - left)
    return f"M{left:g} {top:g}h{width:.3f}V{bottom:g}h-{width:.3f}z"
