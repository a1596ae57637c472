"""The journal: what the service answered, and which true labels it was told; append-only, by the hour, whatever dies.

A writer appends lines to a segment of its own and holds a lock on it while it lives. An answer is in the journal when `append`
returns: it stands in the system's memory, which outlives the process. Segments of writers that are gone are sealed into Parquet.

    answers/2026-11-25T08/4711-6f1c.jsonl      a living writer's segment
    answers/2026-11-25T08/4711-6f1c.parquet    the same, sealed; where both are there, this one counts
    answers/2026-11-25T08/4711-6f1c.unread     whole lines in it that were no entry
    feedback/2026-11/...                       true labels, by the month, and kept for ever
    passes/2026-11-25                          a day on which the retention looked
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
EVER = ""
FOR_EVER = "9999"


def request_id(now: datetime) -> str:
    """Make an id for a request that tells its hour, so that its answers are found without a search."""
    return f"{now.astimezone(UTC):%Y%m%d%H}-{secrets.token_hex(10)}"


def latest_labels(entries: Iterable[Feedback]) -> list[Feedback]:
    """Give the last label told for each answer, in the order in which they were told."""
    latest = {(entry.request, entry.position): entry for entry in entries}
    return sorted(latest.values(), key=lambda entry: (entry.time, entry.request, entry.position))


class Journal:
    """Write and read the journal in one folder; safe for many threads and processes."""

    def __init__(self, folder: Path, *, retention_days: int) -> None:
        self._folder = folder
        self._days = retention_days
        self._segments: dict[Path, Segment] = {}
        self._guard, self._sealing = threading.Lock(), threading.Lock()
        self._seal_soon()

    @classmethod
    def reading(cls, folder: Path) -> "Journal":
        """Open a journal that is only read; nothing in it is touched."""
        journal = cls.__new__(cls)
        journal._folder, journal._segments, journal._guard = folder, {}, threading.Lock()
        return journal

    def append(self, answers: Sequence[JournalEntry]) -> None:
        """Keep answers, each in the hour of its own time; raises Fault when they cannot be kept."""
        self._append("answers", HOUR, answers)

    def feedback(self, entries: Sequence[Feedback]) -> None:
        """Keep true labels; raises Fault when they cannot be kept."""
        self._append("feedback", MONTH, entries)

    def answers(self, start: str, end: str) -> Iterator[JournalEntry]:
        """Yield the answers from `start` up to and without `end`, in the order of their time; only their hours are read."""
        for hour in list_hours(self._folder / "answers"):
            if start[:HOUR] <= hour <= end[:HOUR]:
                yield from segments.read_segments(self._folder / "answers" / hour, JournalEntry, start, end)

    def find(self, request: str, position: int) -> JournalEntry | None:
        """Give one answer by its name; None when there is none or it is no longer kept."""
        return self.find_all([(request, position)]).get((request, position))

    def find_all(self, names: Iterable[tuple[str, int]]) -> dict[tuple[str, int], JournalEntry]:
        """Give answers by their names, requests and positions; each hour is read once, and what is not kept is left out."""
        asked: dict[str, set[str]] = {}
        wanted = set(names)
        for request, _ in wanted:
            for hour in _hours_of(request):
                asked.setdefault(hour, set()).add(request)
        found = {}
        for hour, requests in asked.items():
            for answer in segments.find_in_segments(self._folder / "answers" / hour, JournalEntry, requests):
                found[answer.request, answer.position] = answer
        return {name: answer for name, answer in found.items() if name in wanted}

    def labels(self, start: str = EVER, end: str = FOR_EVER) -> list[Feedback]:
        """Give the true labels told from `start` up to and without `end`, in the order of their time."""
        asked = [
            month
            for month in list_files(self._folder / "feedback")
            if start[:MONTH] <= month.name <= end[:MONTH]
        ]
        return [entry for month in asked for entry in segments.read_segments(month, Feedback, start, end)]

    def first(self) -> str | None:
        """Give the time of the first answer that is kept; None where there is none."""
        return next((answer.time for answer in self.answers(EVER, FOR_EVER)), None)

    def close(self) -> None:
        """Let go of the segments that are open here, and seal them."""
        with self._guard:
            self._let_go(lambda _: True)
        self.seal()

    def seal(self) -> int:
        """Turn segments without a living writer into Parquet; gives how many. Killed half-way, the next one finishes.

        What cannot be sealed now, as on a full disk, can be read as it is: that is logged and left for the next time.
        """
        with self._sealing:
            folders = [
                folder for kind in ("answers", "feedback") for folder in list_files(self._folder / kind)
            ]
            return sum(_sealed(path) for folder in folders for path in list_files(folder, OPEN))

    def retain(self, now: datetime) -> RetentionReport:
        """Remove the hours of answers older than the retention, as far as the clock is believed. True labels stay."""
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
            self._let_go(lambda other: other == folder)
            reason = error.strerror or type(error).__name__
            raise Fault(
                f"The journal cannot write to {folder} ({reason}). Mend that; what was kept before is untouched."
            ) from error

    def _segment(self, folder: Path) -> Segment:
        if folder in self._segments and self._segments[folder].gone:
            self._let_go(lambda other: other == folder)
        if folder not in self._segments:
            past = [other for other in self._segments if other.parent == folder.parent and other < folder]
            self._segments[folder] = Segment(folder)
            # What is past is let go, so that it can be sealed; an entry that comes late opens another segment.
            self._let_go(past.__contains__)
            if past:
                self._seal_soon()
        return self._segments[folder]

    def _let_go(self, chosen: Callable[[Path], bool]) -> None:
        for folder in [folder for folder in self._segments if chosen(folder)]:
            self._segments.pop(folder).close()

    def _seal_soon(self) -> None:
        # Beside the answers: an hour of them takes a while to be sealed. Killed in it, another one finishes.
        threading.Thread(target=self.seal, name="journal-seal", daemon=True).start()


def _sealed(path: Path) -> bool:
    try:
        with lock_if_unheld(path) as free:
            if free:
                segments.seal_segment(path, JournalEntry) if path.parents[
                    1
                ].name == "answers" else segments.seal_segment(path, Feedback)
            return free
    except (OSError, Fault) as error:
        logs.get("journal").warning("not sealed", segment=path.stem, reason=type(error).__name__)
        return False


def _hours_of(request: str) -> Collection[str]:
    """Give the hours in which a request may have been answered: that of its id, and the next one."""
    with contextlib.suppress(ValueError, OverflowError):
        came = datetime.strptime(request[:10], "%Y%m%d%H")
        return [(came + timedelta(hours=late)).isoformat()[:HOUR] for late in (0, 1)]
    return ()
