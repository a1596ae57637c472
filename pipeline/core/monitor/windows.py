"""The windows of a journal: equal stretches of time, counted from midnight UTC."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.base.times import format_seconds, parse_time

DAYS_PER_QUARTER = 365.25 / 4


@dataclass(frozen=True, order=True)
class Window:
    """A stretch of time from `start` up to and without `end`, in UTC as 2026-11-25T08:00:00Z."""

    start: str
    end: str

    @property
    def name(self) -> str:
        """Return the start without colons, as files are named."""
        return self.start.replace(":", "-")


def due_windows(*, since: str, now: str, minutes: int, most: int) -> list[Window]:
    """Return the newest `most` windows that ended by `now`, from the one that holds `since` on."""
    windows = _windows(window_start(parse_time(since), minutes), parse_time(now), timedelta(minutes=minutes))
    return list(windows)[-most:]


def windows_per_quarter(minutes: int) -> float:
    """Count the windows in a quarter of a year."""
    return DAYS_PER_QUARTER * 24 * 60 / minutes


def window_start(time: datetime, minutes: int) -> datetime:
    """Return the start of the window that holds a time."""
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (time - midnight) // timedelta(minutes=minutes) * timedelta(minutes=minutes)


def _windows(start: datetime, now: datetime, length: timedelta) -> Iterator[Window]:
    while start + length <= now:
        yield Window(format_seconds(start), format_seconds(start + length))
        start += length
