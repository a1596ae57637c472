"""The journal: the predictions of the service and the feedback it received; append-only and crash-safe.

A writer appends lines to its own segment and locks it while it lives. A prediction is in the journal when
`append` returns: the page cache of the system outlives the process. Segments of ended writers are sealed into
Parquet.

    answers/2026-11-25T08/4711-6f1c.jsonl      predictions of an hour: the segment of a living writer
    answers/2026-11-25T08/4711-6f1c.parquet    the same, sealed; where both exist, this one counts
    answers/2026-11-25T08/4711-6f1c.unread     complete lines of it that are no entries
    feedback/2026-11/...                       feedback of a month, kept for ever
    passes/2026-11-25                          a day on which the retention ran
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.base import logs
from pipeline.base.errors import Fault
from pipeline.base.records import Feedback, JournalEntry
from pipeline.io.journal import retention, segments
from pipeline.io.journal.lines import to_line
from pipeline.io.journal.retention import HOUR, RetentionReport, list_hours
from pipeline.io.journal.segments import OPEN, Segment, list_files, lock_if_unheld

MONTH = len("2026-11")
START_OF_TIME, END_OF_TIME = "", "9999"


def request_id(now: datetime) -> str:
    """Return a new request id; it begins with its hour, by which its predictions are found."""
    return f"{now.astimezone(UTC):%Y%m%d%H}-{secrets.token_hex(10)}"


def latest_labels(entries: Iterable[Feedback]) -> list[Feedback]:
    """Return the last feedback of each prediction; `entries` and the result are in the order of time."""
    latest = {(entry.request, entry.position): entry for entry in entries}
    return sorted(latest.values(), key=lambda entry: (entry.time, entry.request, entry.position))


class Journal:
    """Write and read the journal in one folder; safe for threads and processes."""

    def __init__(self, folder: Path, *, retention_days: int) -> None:
        self._folder = folder
        self._days = retention_days
        self._segments: dict[Path, Segment] = {}
        self._guard, self._sealing = threading.Lock(), threading.Lock()
        self._seal_in_background()

    @classmethod
    def reading(cls, folder: Path) -> "Journal":
        """Open a journal for reading only; nothing in it is changed."""
        journal = cls.__new__(cls)
        journal._folder, journal._segments, journal._guard = folder, {}, threading.Lock()
        return journal

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Write predictions, each in the hour of its own time.

        Raises Fault when they cannot be written.
        """
        self._append("answers", HOUR, entries)

    def append_feedback(self, entries: Sequence[Feedback]) -> None:
        """Write feedback.

        Raises Fault when it cannot be written.
        """
        self._append("feedback", MONTH, entries)

    def predictions(self, start: str, end: str) -> Iterator[JournalEntry]:
        """Yield the predictions with `start` <= time < `end`, in the order of time; read only their hours."""
        for hour in list_hours(self._folder / "answers"):
            if start[:HOUR] <= hour <= end[:HOUR]:
                yield from segments.read_segments(self._folder / "answers" / hour, JournalEntry, start, end)

    def find(self, request: str, position: int) -> JournalEntry | None:
        """Return one prediction, None when there is none or it is past its retention."""
        return self.find_all([(request, position)]).get((request, position))

    def find_all(self, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], JournalEntry]:
        """Return the predictions that are kept, by request and position; each hour is read once."""
        wanted = set(keys)
        requests_by_hour: dict[str, set[str]] = {}
        for request, _ in wanted:
            for hour in _hours_of(request):
                requests_by_hour.setdefault(hour, set()).add(request)
        entries = {}
        for hour, requests in requests_by_hour.items():
            for entry in segments.find_in_segments(self._folder / "answers" / hour, JournalEntry, requests):
                entries[entry.request, entry.position] = entry
        return {key: entry for key, entry in entries.items() if key in wanted}

    def labels(self, start: str = START_OF_TIME, end: str = END_OF_TIME) -> list[Feedback]:
        """Return the feedback with `start` <= time < `end`, in the order of time."""
        return [
            entry
            for month in list_files(self._folder / "feedback")
            if start[:MONTH] <= month.name <= end[:MONTH]
            for entry in segments.read_segments(month, Feedback, start, end)
        ]

    def first_time(self) -> str | None:
        """Return the time of the first prediction that is kept, None where there is none."""
        return next((entry.time for entry in self.predictions(START_OF_TIME, END_OF_TIME)), None)

    def close(self) -> None:
        """Close the segments that this process writes, and seal them."""
        with self._guard:
            self._close(lambda _: True)
        self.seal()

    def seal(self) -> int:
        """Turn the segments of ended writers into Parquet, and return their number.

        The next call finishes a killed one. What cannot be sealed, as on a full disk, stays readable; it is
        logged and left for the next call.
        """
        with self._sealing:
            folders = [
                folder for kind in ("answers", "feedback") for folder in list_files(self._folder / kind)
            ]
            return sum(_seal(path) for folder in folders for path in list_files(folder, OPEN))

    def retain(self, now: datetime) -> RetentionReport:
        """Remove predictions past their retention, as far as the clock is trusted; feedback stays."""
        with self._sealing:
            return retention.apply_retention(self._folder, days=self._days, now=now)

    def _append(self, kind: str, length: int, entries: Sequence[JournalEntry] | Sequence[Feedback]) -> None:
        lines: dict[str, list[bytes]] = {}
        for entry in entries:
            lines.setdefault(entry.time[:length], []).append(to_line(entry))
        with self._guard:
            for name, part in lines.items():
                self._write(self._folder / kind / name, b"".join(part))

    def _write(self, folder: Path, content: bytes) -> None:
        try:
            self._segment(folder).write(content)
        except OSError as error:
            self._close(lambda other: other == folder)
            reason = error.strerror or type(error).__name__
            raise Fault(
                f"The journal cannot write to {folder} ({reason}). Fix that; earlier entries are unchanged."
            ) from error

    def _segment(self, folder: Path) -> Segment:
        if folder in self._segments and self._segments[folder].removed:
            self._close(lambda other: other == folder)
        if folder not in self._segments:
            past = [other for other in self._segments if other.parent == folder.parent and other < folder]
            self._segments[folder] = Segment(folder)
            # Past segments are closed, so that they can be sealed; a late entry opens another one.
            self._close(past.__contains__)
            if past:
                self._seal_in_background()
        return self._segments[folder]

    def _close(self, chosen: Callable[[Path], bool]) -> None:
        for folder in [folder for folder in self._segments if chosen(folder)]:
            self._segments.pop(folder).close()

    def _seal_in_background(self) -> None:
        # Sealing an hour takes a while, and predictions go on meanwhile.
        threading.Thread(target=self.seal, name="journal-seal", daemon=True).start()


def _seal(path: Path) -> bool:
    try:
        with lock_if_unheld(path) as free:
            if free:
                if path.parents[1].name == "answers":
                    segments.seal_segment(path, JournalEntry)
                else:
                    segments.seal_segment(path, Feedback)
            return free
    except (OSError, Fault) as error:
        logs.get("journal").warning("segment.not_sealed", segment=path.stem, error=type(error).__name__)
        return False


def _hours_of(request: str) -> Collection[str]:
    """Return the hours in which a request may have been predicted: that of its id, and the next one."""
    with contextlib.suppress(ValueError, OverflowError):
        hour = datetime.strptime(request[:10], "%Y%m%d%H")
        return [(hour + timedelta(hours=late)).isoformat()[:HOUR] for late in (0, 1)]
    return ()
