"""What the drawings over time share: seconds out of a UTC time, and few round marks along an axis of per cent.

Places across are per cent of the width, so that the words keep their size on a phone and on a wall.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.report.charts.axes import Tick

MINUTE, HOUR, DAY = 60, 3600, 86400
STEPS = (
    *(many * MINUTE for many in (1, 2, 5, 10, 20, 30)),
    *(many * HOUR for many in (1, 2, 3, 6, 12)),
    *(many * DAY for many in (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 91, 122, 182)),
)


@dataclass(frozen=True)
class TimeSpan:
    """Hold a stretch of time that a drawing covers, in seconds."""

    start: int
    length: int

    @classmethod
    def of(cls, first: str, last: str) -> "TimeSpan":
        """Cover all from one UTC time to another, a minute at least."""
        start = utc_seconds(first)
        return cls(start, max(MINUTE, utc_seconds(last) - start))

    def place(self, moment: float) -> float:
        """Give the place across of a moment in seconds, in per cent, never outside."""
        return round(min(100.0, max(0.0, 100 * (moment - self.start) / self.length)), 3)

    def at(self, time: str) -> float:
        """Give the place across of a UTC time."""
        return self.place(utc_seconds(time))

    def ticks(self, most: int) -> tuple[Tick, ...]:
        """Give at most so many round marks (one more where both ends are round)."""
        step = next(
            (step for step in STEPS if self.length / step <= most),
            365 * DAY * (1 + self.length // (365 * DAY * most)),
        )
        # Days are counted from the first midnight, shorter steps from a round hour.
        first = self.start - self.start % -min(step, DAY)
        found = range(first, self.start + self.length + 1, step)
        return tuple(Tick(self.place(time), _told(time, step)) for time in found)


def utc_seconds(time: str) -> int:
    """Count the seconds of a UTC time; numpy reckons with dates and knows no clock."""
    return int(np.datetime64(time.removesuffix("Z").removesuffix("+00:00"), "s").astype(np.int64))


def _told(time: int, step: int) -> str:
    text = str(np.datetime64(time, "s"))
    return text[:10] if step >= DAY else f"{text[5:10]} {text[11:16]}"
