"""Where the marks of the timeline go: a row for each release, the newest on top, over one axis of time.

Places across are per cent of the width, so that the words keep their size on a phone and on a wall. Times are UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.base.documents import ReignRecord
from pipeline.base.documents.card import ReleaseState
from pipeline.report.charts.axes import Tick
from pipeline.report.charts.time_axis import HOUR, MINUTE, TimeSpan, utc_seconds

ROW = 46.0
MARKS = 3  # at most, so that their words fit on a phone
LEAST = 0.4  # of the width, in per cent


@dataclass(frozen=True)
class Bar:
    """Hold one reign in its place."""

    at: float
    width: float
    now: bool
    title: str


@dataclass(frozen=True)
class Lane:
    """Hold one release: its name, where it stands, when it was made, and its reigns."""

    release: str
    state: str
    y: float
    made: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Timeline:
    """Hold the lanes and the marks of time."""

    height: float
    base: float
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]


def timeline(reigns: Sequence[ReignRecord], states: Sequence[ReleaseState], *, now: str) -> Timeline:
    """Place reigns and releases; `now` ends the reign that lasts."""
    times = [utc_seconds(one["created"]) for one in states] + [utc_seconds(reign["time"]) for reign in reigns]
    start = min(times, default=utc_seconds(now) - HOUR)
    span = TimeSpan(start, max(MINUTE, utc_seconds(now) - start))
    lanes = tuple(
        _lane(one, ROW * index, reigns, span=span, now=now) for index, one in enumerate(reversed(states))
    )
    base = ROW * len(lanes) + 6
    return Timeline(height=base + 24, base=base, ticks=span.ticks(MARKS), lanes=lanes)


def _lane(state: ReleaseState, y: float, reigns: Sequence[ReignRecord], *, span: TimeSpan, now: str) -> Lane:
    def bar(reign: ReignRecord) -> Bar:
        begin, end = span.at(reign["time"]), span.at(reign["until"] or now)
        # A reign of minutes in a history of years is still to be seen.
        width = max(LEAST, round(end - begin, 3))
        title = f"{reign['to']} in service from {reign['time']} to {reign['until'] or 'now'}"
        return Bar(min(begin, 100 - width), width, reign["until"] is None, title)

    bars = tuple(bar(reign) for reign in reigns if reign["to"] == state["release"])
    return Lane(str(state["release"]), str(state["state"]), y, span.at(state["created"]), bars)
