"""Where the marks of the timeline go: a row for each release, the newest on top, over one axis of time.

Places across are per cent of the width, so that the words keep their size on a phone and on a wall. Times are UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.report.axes import Tick

ROW = 46.0
MARKS = 3  # at most, so that their words fit on a phone
LEAST = 0.4  # of the width, in per cent
MINUTE, HOUR, DAY = 60, 3600, 86400
STEPS = (
    *(many * MINUTE for many in (1, 2, 5, 10, 20, 30)),
    *(many * HOUR for many in (1, 2, 3, 6, 12)),
    *(many * DAY for many in (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 91, 122, 182)),
)


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


def timeline(reigns: Sequence[Mapping[str, Any]], standings: Sequence[Mapping[str, Any]], *, now: str) -> Timeline:
    """Place reigns and releases; `now` ends the reign that lasts."""
    times = [_seconds(one["created"]) for one in standings] + [_seconds(reign["time"]) for reign in reigns]
    start = min(times, default=_seconds(now) - HOUR)
    span = max(MINUTE, _seconds(now) - start)
    lanes = tuple(_lane(one, ROW * index, reigns, start=start, span=span, now=now) for index, one in enumerate(reversed(standings)))
    base = ROW * len(lanes) + 6
    return Timeline(height=base + 24, base=base, ticks=_ticks(start, span), lanes=lanes)


def _lane(standing: Mapping[str, Any], y: float, reigns: Sequence[Mapping[str, Any]], *, start: int, span: int, now: str) -> Lane:
    def at(time: str) -> float:
        return round(min(100.0, max(0.0, 100 * (_seconds(time) - start) / span)), 3)

    def bar(reign: Mapping[str, Any]) -> Bar:
        begin, end = at(reign["time"]), at(reign["until"] or now)
        # A reign of minutes in a history of years is still to be seen.
        width = max(LEAST, round(end - begin, 3))
        title = f"{reign['to']} in service from {reign['time']} to {reign['until'] or 'now'}"
        return Bar(min(begin, 100 - width), width, reign["until"] is None, title)

    bars = tuple(bar(reign) for reign in reigns if reign["to"] == standing["release"])
    return Lane(str(standing["release"]), str(standing["state"]), y, at(standing["created"]), bars)


def _ticks(start: int, span: int) -> tuple[Tick, ...]:
    step = next((step for step in STEPS if span / step <= MARKS), 365 * DAY * (1 + span // (365 * DAY * MARKS)))
    # Days are counted from the first midnight, shorter steps from a round hour.
    first = start - start % -min(step, DAY)
    found = range(first, start + span + 1, step)
    return tuple(Tick(round(100 * (time - start) / span, 3), _told(time, step)) for time in found)


def _seconds(time: str) -> int:
    # numpy reckons with dates and knows no clock.
    return int(np.datetime64(time.removesuffix("Z").removesuffix("+00:00"), "s").astype(np.int64))


def _told(time: int, step: int) -> str:
    text = str(np.datetime64(time, "s"))
    return text[:10] if step >= DAY else f"{text[5:10]} {text[11:16]}"
