"""Reading the journal: every query streams, and nothing on the disk is changed."""

import contextlib
import json
import weakref
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.base.records import Feedback, JournalEntry
from pipeline.io.journal import legacy, tables
from pipeline.io.journal.counting import (
    COUNTS,
    PROBABILITY_SUMS,
    TOPIC_TOTALS,
    Content,
    PredictionCount,
    TopicChoice,
    choose_topics,
    group_topics,
    sum_counts,
)
from pipeline.io.journal.database import PREDICTIONS, SUFFIX, path_of, read_rows, reading
from pipeline.io.journal.event_times import EventTimes
from pipeline.io.journal.legacy_copies import LegacyCopies
from pipeline.io.journal.retention import HOUR, is_hour

FEEDBACK = f"feedback{SUFFIX}"
START_OF_TIME, END_OF_TIME = "", "9999"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A key is the number of its hour and, in the lower bits, that of its row.
ROW_BITS = 40


class JournalReader:
    """Read the journal in one folder, also what earlier versions left there.

    `counts` and `keys` go by when texts were written, and take up those that came up to `late_hours` hours
    after the end of a stretch of time, however late where it is None.
    """

    def __init__(self, folder: Path, *, late_hours: float | None = 0.0) -> None:
        self._folder = folder
        self._copies = LegacyCopies()
        # No cycle of references: the copies end with this reader, not when the collector comes.
        own = weakref.proxy(self)
        self.event_times = EventTimes(lambda hour: own._hour(hour), lambda: list_hours(folder), late_hours)

    def predictions(self, start: str, end: str) -> Iterator[JournalEntry]:
        """Yield the predictions with `start` <= time < `end`, in the order of time."""
        query = f"{tables.SELECT_PREDICTIONS} {tables.ARRIVED} ORDER BY time, request, position"
        for hour in self._hours(start, end):
            for row in read_rows(self._hour(hour), query, (start, end)):
                yield tables.to_prediction(row)

    def choose_topics(self, start: str, end: str, *, known: Collection[str], most: int) -> TopicChoice:
        """Choose at most so many topics of a stretch of time: the known ones first, then the largest."""
        totals = (
            (one, number)
            for _, (topic, more, number) in self.event_times.rows(TOPIC_TOTALS, (start, end))
            for one in (topic, *more.split())
        )
        return choose_topics(totals, known=known, most=most)

    def counts(
        self,
        start: str,
        end: str,
        *,
        named: Collection[str] | None = None,
        other: str = "",
        content: Content | None = None,
    ) -> list[PredictionCount]:
        """Count the predictions written in [`start`, `end`), in the order in which they first came.

        Topics that are not `named` are one topic, `other`; without `named` every topic is counted by itself.
        Answers count as their `content`, by default as they are.
        """
        rows = (row for _, row in self.event_times.rows(COUNTS, _bounds(start, end, named, other)))
        return sum_counts(rows, named, other, content)

    def releases(self, start: str, end: str) -> set[tuple[str, str]]:
        """Return the releases with predictions that came in [`start`, `end`), each with its data version."""
        query = f"SELECT DISTINCT release, data_version FROM predictions {tables.ARRIVED}"
        return {
            (release, version)
            for hour in self._hours(start, end)
            for release, version in read_rows(self._hour(hour), query, (start, end))
        }

    def probability_sums(
        self, start: str, end: str, *, release: str, named: Collection[str], other: str
    ) -> Iterator[tuple[tuple[str, ...], int, float, float]]:
        """Yield the sums of a release's probabilities and of their squares, by topics and label.

        A row holds topics, the number of a label, and both sums; equal topics may come several times. Topics
        that are not `named` are one topic, `other`.
        """
        parameters = (*_bounds(start, end, named, other), release)
        for _, (topic, more, label, total, squares) in self.event_times.rows(PROBABILITY_SUMS, parameters):
            yield group_topics((topic, *more.split()), named, other), label, total, squares

    def keys(self, start: str, end: str, *, release: str) -> Iterator[tuple[int, tuple[str, ...], bool]]:
        """Yield key and topics of a release's predictions, and whether the text is stored, as they came."""
        query = (
            "SELECT id, topic, more_topics, text <> '' FROM predictions "
            f"{tables.WITHIN} AND release = ? ORDER BY id"
        )
        for hour, (row, topic, more_topics, readable) in self.event_times.rows(query, (start, end, release)):
            yield (_hour_number(hour) << ROW_BITS) + row, (topic, *more_topics.split()), bool(readable)

    def entries(self, keys: Iterable[int]) -> list[JournalEntry]:
        """Return the predictions with these keys that are still kept, in the order of time."""
        rows_by_hour: dict[str, list[int]] = {}
        for key in keys:
            rows_by_hour.setdefault(_hour_name(key >> ROW_BITS), []).append(key & (1 << ROW_BITS) - 1)
        query, entries = f"{tables.SELECT_PREDICTIONS} WHERE id = ?", []
        for hour, rows in rows_by_hour.items():
            entries += self._select(self._hour(hour), query, [(row,) for row in rows])
        return sorted(entries, key=lambda entry: (entry.time, entry.request, entry.position))

    def count(self, start: str, end: str) -> int:
        """Count the predictions with `start` <= time < `end`."""
        query, total = "SELECT count(*) FROM predictions", 0
        for hour in self._hours(start, end):
            whole = start <= hour and f"{hour}:59:59.999999Z" < end
            where, times = ("", ()) if whole else (f" {tables.ARRIVED}", (start, end))
            total += sum(row[0] for row in read_rows(self._hour(hour), query + where, times))
        return total

    def find(self, request: str, position: int) -> JournalEntry | None:
        """Return one prediction, None when there is none or it is past its retention."""
        return self.find_all([(request, position)]).get((request, position))

    def find_all(self, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], JournalEntry]:
        """Return the predictions that are kept, by request and position."""
        keys_by_hour: dict[str, set[tuple[str, int]]] = {}
        for key in keys:
            for hour in hours_of(key[0]):
                keys_by_hour.setdefault(hour, set()).add(key)
        query = f"{tables.SELECT_PREDICTIONS} WHERE request = ? AND position = ?"
        return {
            (entry.request, entry.position): entry
            for hour, wanted in keys_by_hour.items()
            for entry in self._select(self._hour(hour), query, sorted(wanted))
        }

    def of_requests(self, requests: Collection[str]) -> list[JournalEntry]:
        """Return all predictions of some requests that are kept."""
        hours, query = {hour for request in requests for hour in hours_of(request)}, "WHERE request = ?"
        return [
            tables.to_prediction(row)
            for hour in sorted(hours)
            for request in requests
            for row in read_rows(self._hour(hour), f"{tables.SELECT_PREDICTIONS} {query}", (request,))
        ]

    def labels(self, start: str = START_OF_TIME, end: str = END_OF_TIME) -> Iterator[Feedback]:
        """Yield the feedback with `start` <= time < `end`, in the order of time."""
        return self._feedback(f"{tables.ARRIVED} ORDER BY time, request, position", (start, end))

    def newest_labels(self) -> Iterator[Feedback]:
        """Yield all feedback, the newest first."""
        return self._feedback("ORDER BY time DESC, request DESC, position DESC", ())

    def first_time(self) -> str | None:
        """Return the time of the first prediction that is kept, None where there is none."""
        for hour in self._hours(START_OF_TIME, END_OF_TIME):
            for (time,) in read_rows(self._hour(hour), "SELECT min(time) FROM predictions"):
                if time is not None:
                    return str(time)
        return None

    def _feedback(self, clause: str, parameters: tuple[str, ...]) -> Iterator[Feedback]:
        path = self._feedback_database()
        for row in read_rows(path, f"{tables.SELECT_FEEDBACK} {clause}", parameters):
            yield Feedback(*row)

    def _select(self, path: Path, query: str, keys: Sequence[tuple[Any, ...]]) -> list[JournalEntry]:
        with reading(path) as connection:
            rows = [connection.execute(query, key).fetchone() for key in keys] if connection else ()
            return [tables.to_prediction(row) for row in rows if row]

    def _hours(self, start: str, end: str) -> list[str]:
        return [hour for hour in list_hours(self._folder) if start[:HOUR] <= hour <= end[:HOUR]]

    def _hour(self, hour: str) -> Path:
        """Return the database of an hour; with segments of earlier versions it is a temporary one."""
        path = path_of(self._folder, hour)
        segments = legacy.list_segments(self._folder / legacy.PREDICTIONS / hour)
        return self._copies.of_predictions(segments, path) if segments else path

    def _feedback_database(self) -> Path:
        path, months = self._folder / FEEDBACK, legacy.list_folders(self._folder / legacy.FEEDBACK)
        segments = [segment for month in months for segment in legacy.list_segments(month)]
        return self._copies.of_feedback(segments, path) if segments else path


def _bounds(start: str, end: str, named: Collection[str] | None, other: str) -> tuple[object, ...]:
    return start, end, named is None, json.dumps(sorted(named or ())), other


def list_hours(folder: Path) -> list[str]:
    """Return the hours that have predictions, the oldest first, those of earlier versions too."""
    names: set[str] = set()
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        names = {path.stem for path in (folder / PREDICTIONS).iterdir() if path.suffix == SUFFIX}
    names |= {path.name for path in legacy.list_folders(folder / legacy.PREDICTIONS)}
    return sorted(name for name in names if is_hour(name))


def hours_of(request: str) -> Collection[str]:
    """Return the hours in which a request may have been predicted: that of its id, and the next one."""
    with contextlib.suppress(ValueError, OverflowError):
        hour = datetime.strptime(request[:10], "%Y%m%d%H")
        return [(hour + timedelta(hours=late)).isoformat()[:HOUR] for late in (0, 1)]
    return ()


def _hour_number(hour: str) -> int:
    return (datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC) - EPOCH) // timedelta(hours=1)


def _hour_name(number: int) -> str:
    return (EPOCH + timedelta(hours=number)).isoformat()[:HOUR]
