"""Where the marks of a series over time go: figures of windows in, places out. `series.svg.j2` draws them.

Places across are per cent of the width and paths lie in a sheet that is stretched over it, so one drawing fits a phone and a
wall. A line is broken where a window is missing: nothing is drawn that nobody measured.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.report.charts.axes import Tick, domain, scale, steps
from pipeline.report.charts.time_axis import TimeSpan, utc_seconds

TOP, BASE, HEIGHT = 14.0, 224.0, 250.0
WIDE, NARROW = 6, 3  # marks of time at most; on a phone every other one of a wide drawing is left out
LANE, TRACK = 34.0, 10.0
KINDS = ("negative", "neutral", "positive")
OTHER_KINDS = 4
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Point:
    """Hold one figure with its interval, and the window it is about."""

    start: str
    end: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Dot:
    """Hold the place of one figure that stands alone, or of an event."""

    x: float
    y: float
    low: float
    high: float
    title: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Line:
    """Hold one line: its name, its colour's name, the paths of its band and of itself, and the figures that stand alone."""

    name: str
    kind: str
    band: str
    path: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class SeriesPlot:
    """Hold the lines, the marks of both axes, the upright lines (`marks`) and the events on the lines."""

    height: float
    base: float
    across: tuple[Tick, ...]
    upward: tuple[Tick, ...]
    lines: tuple[Line, ...]
    marks: tuple[Tick, ...]
    events: tuple[Dot, ...]


@dataclass(frozen=True)
class SeriesEvent:
    """Hold an event on a line: when, which line, where it led, up or down, and the sentence that tells it."""

    time: str
    name: str
    value: float
    rising: bool
    told: str


@dataclass(frozen=True)
class Lane:
    """Hold one row of a strip: its name and the paths of its stretches, by what they mean."""

    name: str
    y: float
    stretches: Mapping[str, str]


@dataclass(frozen=True)
class StripPlot:
    """Hold the rows of a strip over one axis of time."""

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
    """Place lines with their bands; the axis begins at `floor`, or just below the lowest where that is None.

    The figures of a `scattered` line stand alone: each is about other texts, and what lies between two of them is not known.
    """
    seen = [
        bound for line in lines.values() for point in line for bound in (point.low, point.high, point.value)
    ]
    low, high, step = domain(
        min(seen, default=0.0) if floor is None else floor, min(1.0, max(seen, default=1.0))
    )
    y = scale(low, high, BASE, TOP)
    names = list(lines)
    happened = (
        _event(one, y(one.value), span, _kind(one.name, names)) for one in events if one.name in lines
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
        marks=tuple(Tick(span.at(time), told) for time, told in marks),
        events=tuple(happened),
    )


def strip_plot(lanes: Mapping[str, Sequence[tuple[str, str, str]]], span: TimeSpan) -> StripPlot:
    """Place rows of stretches, each from a UTC time to another and with the name of what it means."""
    base = LANE * len(lanes) + 4
    return StripPlot(
        height=base + 24,
        base=base,
        across=span.ticks(NARROW),
        lanes=tuple(
            _lane(name, LANE * index, found, span) for index, (name, found) in enumerate(lanes.items())
        ),
    )


def volume_path(texts: Sequence[tuple[str, str, int]], span: TimeSpan, height: float) -> str:
    """Draw a bar for each window, as high as its texts are many beside the most."""
    most = max((many for _, _, many in texts), default=0) or 1
    return "".join(
        _box(span.at(start), span.at(end), height * (1 - many / most), height) for start, end, many in texts
    )


def _line(name: str, kind: str, points: Sequence[Point], span: TimeSpan, *, y: Scale, joined: bool) -> Line:
    placed = [(_middle(point, span), point) for point in points]
    runs: list[list[tuple[float, Point]]] = []
    for x, point in placed:
        if joined and runs and utc_seconds(point.start) <= utc_seconds(runs[-1][-1][1].end):
            runs[-1].append((x, point))
        else:
            runs.append([(x, point)])
    long = [run for run in runs if len(run) > 1]
    return Line(
        name=name,
        kind=kind,
        band="".join(_band(run, y) for run in long),
        path="".join("M" + "L".join(f"{x:g} {y(point.value):g}" for x, point in run) for run in long),
        dots=tuple(
            Dot(x, y(point.value), y(point.low), y(point.high))
            for run in runs
            if len(run) == 1
            for x, point in run
        ),
    )


def _band(run: Sequence[tuple[float, Point]], y: Scale) -> str:
    there = [f"{x:g} {y(point.high):g}" for x, point in run]
    back = [f"{x:g} {y(point.low):g}" for x, point in reversed(run)]
    return "M" + "L".join(there + back) + "z"


def _middle(point: Point, span: TimeSpan) -> float:
    return span.place((utc_seconds(point.start) + utc_seconds(point.end)) / 2)


def _event(one: SeriesEvent, y: float, span: TimeSpan, kind: str) -> Dot:
    return Dot(span.at(one.time), y, y, y, one.told, f"{kind} {'rising' if one.rising else 'falling'}")


def _kind(name: str, names: Sequence[str]) -> str:
    # A name comes from outside; only these words ever become a class of the page.
    return name if name in KINDS else f"other-{names.index(name) % OTHER_KINDS}"


def _lane(name: str, y: float, found: Sequence[tuple[str, str, str]], span: TimeSpan) -> Lane:
    stretches: dict[str, str] = {}
    for start, end, meaning in found:
        stretches[meaning] = stretches.get(meaning, "") + _box(span.at(start), span.at(end), 0, TRACK)
    return Lane(name, y, stretches)


def _box(left: float, right: float, top: float, bottom: float) -> str:
    # A minute in a year is still to be seen.
    width = max(0.15, right - left)
    return f"M{left:g} {top:g}h{width:.3f}V{bottom:g}h-{width:.3f}z"
