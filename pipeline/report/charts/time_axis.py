"""The time axis of charts: UTC times as seconds, and round ticks.

Horizontal places are per cent of the width, so that text keeps its size on any screen.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.report.charts.axes import Tick

MINUTE, HOUR, DAY = 60, 3600, 86400
STEPS = (
    *(count * MINUTE for count in (1, 2, 5, 10, 20, 30)),
    *(count * HOUR for count in (1, 2, 3, 6, 12)),
    *(count * DAY for count in (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 91, 122, 182)),
)


@dataclass(frozen=True)
class TimeSpan:
    """The time that a chart covers, in seconds."""

    start: int
    length: int

    @classmethod
    def of(cls, first: str, last: str) -> "TimeSpan":
        """Cover the time from one UTC time to another, at least a minute."""
        start = utc_seconds(first)
        return cls(start, max(MINUTE, utc_seconds(last) - start))

    def place(self, moment: float) -> float:
        """Return the place of a time in seconds, in per cent, clipped to the chart."""
        return round(min(100.0, max(0.0, 100 * (moment - self.start) / self.length)), 3)

    def at(self, time: str) -> float:
        """Return the place of a UTC time, in per cent."""
        return self.place(utc_seconds(time))

    def ticks(self, most: int) -> tuple[Tick, ...]:
        """Return at most `most` round ticks (one more where both ends are round)."""
        step = next(
            (step for step in STEPS if self.length / step <= most),
            365 * DAY * (1 + self.length // (365 * DAY * most)),
        )
        # Days are counted from the first midnight, shorter steps from a round hour.
        first = self.start - self.start % -min(step, DAY)
        times = range(first, self.start + self.length + 1, step)
        return tuple(Tick(self.place(time), _time_label(time, step)) for time in times)


def utc_seconds(time: str) -> int:
    """Return the seconds since 1970 of a UTC time."""
    return int(np.datetime64(time.removesuffix("Z").removesuffix("+00:00"), "s").astype(np.int64))


def _time_label(time: int, step: int) -> str:
    text = str(np.datetime64(time, "s"))
    return text[:10] if step >= DAY else f"{text[5:10]} {text[11:16]}"
