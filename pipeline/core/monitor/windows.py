"""The windows of a journal: equal stretches of time, counted from midnight, so that every watcher cuts alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.base.times import format_seconds, parse_time

DAYS_A_QUARTER = 365.25 / 4


@dataclass(frozen=True, order=True)
class Window:
    """Hold a stretch of time from `start` up to and without `end`, in UTC as 2026-11-25T08:00:00Z."""

    start: str
    end: str

    @property
    def name(self) -> str:
        """Name it as files are named: by its start, without colons."""
        return self.start.replace(":", "-")


def due_windows(*, since: str, now: str, minutes: int, most: int) -> list[Window]:
    """Give the windows that begin at or after the one that holds `since` and had ended by `now`; of many, the newest `most`."""
    found = list(_windows(_floor(parse_time(since), minutes), parse_time(now), timedelta(minutes=minutes)))
    return found[-most:]


def windows_per_quarter(minutes: int) -> float:
    """Count the windows of a quarter of a year."""
    return DAYS_A_QUARTER * 24 * 60 / minutes


def _floor(when: datetime, minutes: int) -> datetime:
    midnight = when.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (when - midnight) // timedelta(minutes=minutes) * timedelta(minutes=minutes)


def _windows(start: datetime, now: datetime, length: timedelta) -> Iterator[Window]:
    while start + length <= now:
        yield Window(format_seconds(start), format_seconds(start + length))
        start += length
