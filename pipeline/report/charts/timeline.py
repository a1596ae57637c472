"""Lay out the timeline of releases: a row for each, the newest on top, over one time axis.

Horizontal places are per cent of the width, so that text keeps its size on any screen. Times are UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.base.documents import ReignRecord
from pipeline.base.documents.card import ReleaseState
from pipeline.report.charts.axes import Tick
from pipeline.report.charts.time_axis import HOUR, MINUTE, TimeSpan, utc_seconds

ROW = 46.0
MAX_TICKS = 3  # so that their labels fit on a phone
MIN_WIDTH = 0.4  # in per cent


@dataclass(frozen=True)
class Bar:
    """One placed reign."""

    at: float
    width: float
    now: bool
    title: str


@dataclass(frozen=True)
class Lane:
    """One release: its name, its state, when it was created, and its reigns."""

    release: str
    state: str
    y: float
    created: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Timeline:
    """The lanes and the ticks of the time axis."""

    height: float
    base: float
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]


def timeline(reigns: Sequence[ReignRecord], states: Sequence[ReleaseState], *, now: str) -> Timeline:
    """Lay out reigns and releases; the current reign ends at `now`."""
    times = [utc_seconds(state["created"]) for state in states]
    times += [utc_seconds(reign["time"]) for reign in reigns]
    start = min(times, default=utc_seconds(now) - HOUR)
    span = TimeSpan(start, max(MINUTE, utc_seconds(now) - start))
    lanes = tuple(
        _lane(state, ROW * row, reigns, span=span, now=now) for row, state in enumerate(reversed(states))
    )
    base = ROW * len(lanes) + 6
    return Timeline(height=base + 24, base=base, ticks=span.ticks(MAX_TICKS), lanes=lanes)


def _lane(state: ReleaseState, y: float, reigns: Sequence[ReignRecord], *, span: TimeSpan, now: str) -> Lane:
    def bar(reign: ReignRecord) -> Bar:
        begin, end = span.at(reign["time"]), span.at(reign["until"] or now)
        # A reign of minutes in a history of years stays visible.
        width = max(MIN_WIDTH, round(end - begin, 3))
        title = f"{reign['to']} in service from {reign['time']} to {reign['until'] or 'now'}"
        return Bar(min(begin, 100 - width), width, reign["until"] is None, title)

    bars = tuple(bar(reign) for reign in reigns if reign["to"] == state["release"])
    return Lane(str(state["release"]), str(state["state"]), y, span.at(state["created"]), bars)
