"""Predictions by when their texts were written: those that came in that hour, and late ones."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipeline.base import times
from pipeline.io.journal import tables
from pipeline.io.journal.database import read_rows
from pipeline.io.journal.retention import HOUR

SPAN = "SELECT min(written), max(written) FROM predictions WHERE written IS NOT NULL"
Span = tuple[str, str]


class EventTimes:
    """Read predictions by event time; they came up to `late_hours` after the end of a window, None for ever.

    The files of the journal are by hours of arrival, and so is this bound.
    """

    def __init__(
        self, path_of_hour: Callable[[str], Path], hours: Callable[[], list[str]], late_hours: float | None
    ) -> None:
        self._path_of_hour = path_of_hour
        self.hours = hours
        self._late_hours = late_hours
        self._spans: dict[str, Span | None] = {}

    def rows(self, query: str, parameters: tuple[object, ...]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield hour of arrival and row of a query with tables.WITHIN, whose bounds come first."""
        start, end = str(parameters[0]), str(parameters[1])
        hours = self.hours()
        for hour in hours:
            if start[:HOUR] <= hour and _begin(hour) < end:
                yield from ((hour, row) for row in read_rows(self._path_of_hour(hour), query, parameters))
        # In later hours an index finds the few late texts.
        late = query.replace(tables.WITHIN, tables.LATE)
        for hour in self._later(hours, start, end):
            yield from ((hour, row) for row in read_rows(self._path_of_hour(hour), late, parameters))

    def any(self, start: str, end: str) -> bool:
        """Return whether a text that came in the hours from `start` to `end` said when it was written."""
        return any(self._span(hour) for hour in self.hours() if start[:HOUR] <= hour <= end[:HOUR])

    def first(self) -> str | None:
        """Return when the first text was written that said so."""
        return min((span[0] for hour in self.hours() if (span := self._span(hour))), default=None)

    def count_before(self, hour: str, time: str, *, but_for: str) -> int:
        """Count the texts that came in an hour and were written before a time, but for those of a client."""
        query = "SELECT count(*) FROM predictions WHERE written < ? AND client <> ?"
        return sum(row[0] for row in read_rows(self._path_of_hour(hour), query, (time, but_for)))

    def _later(self, hours: list[str], start: str, end: str) -> Iterator[str]:
        closed = "9999"
        if self._late_hours is not None:
            if not self._late_hours:
                return
            closed = times.format_micros(times.parse_time(end) + timedelta(hours=self._late_hours))
        for hour in hours:
            if end <= _begin(hour) < closed:
                span = self._span(hour)
                if span and span[0] < end and span[1] >= start:
                    yield hour

    def _span(self, hour: str) -> Span | None:
        """Return the first and last event time of what came in an hour, as this reader first saw it."""
        if hour not in self._spans:
            ((first, last),) = list(read_rows(self._path_of_hour(hour), SPAN)) or [(None, None)]
            self._spans[hour] = None if first is None else (first, last)
        return self._spans[hour]


def _begin(hour: str) -> str:
    return f"{hour}:00:00.000000Z"
