"""The journal: what the service answered, and which true labels it was told; append-only, by the hour, whatever dies.

A writer appends lines to a segment of its own and holds a lock on it while it lives. An answer is in the journal when `append`
returns: it stands in the system's memory, which outlives the process. Segments of writers that are gone are sealed into Parquet.

    answers/2026-11-25T08/4711-6f1c.jsonl      a living writer's segment
    answers/2026-11-25T08/4711-6f1c.parquet    the same, sealed; where both are there, this one counts
    feedback/2026-11/...                       true labels, by the month, and kept for ever
"""

import os
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.schema import Answer, Feedback
from pipeline.storage.segments import OPEN, Segment, line, read, seal, unheld

HOUR, MONTH = len("2026-11-25T08"), len("2026-11")
EVER = ""


def request_id(now: datetime) -> str:
    """Make an id for a request that tells its hour, so that its answers are found without a search."""
    return f"{now.astimezone(UTC):%Y%m%d%H}-{secrets.token_hex(10)}"


def _hours_of(request: str) -> tuple[str, ...]:
    """Give the hours in which a request may have been answered: that of its id, and the next one."""
    try:
        came = datetime.strptime(request[:10], "%Y%m%d%H")
    except ValueError:
        return ()
    return tuple((came + timedelta(hours=late)).isoformat()[:HOUR] for late in (0, 1))


class Journal:
    """Write and read the journal in one folder; safe for many threads and processes."""

    def __init__(self, folder: Path, *, retention_days: int) -> None:
        self._folder = folder
        self._retention = timedelta(days=retention_days)
        self._segments: dict[Path, Segment] = {}
        self._guard = threading.Lock()
        self.seal()

    @classmethod
    def reading(cls, folder: Path) -> "Journal":
        """Open a journal that is only read; nothing in it is touched."""
        journal = cls.__new__(cls)
        journal._folder, journal._segments, journal._guard = folder, {}, threading.Lock()
        return journal

    def append(self, answers: Sequence[Answer]) -> None:
        """Keep answers, each in the hour of its own time; raises Fault when they cannot be kept."""
        self._append("answers", HOUR, answers)

    def feedback(self, entries: Sequence[Feedback]) -> None:
        """Keep true labels; raises Fault when they cannot be kept."""
        self._append("feedback", MONTH, entries)

    def answers(self, start: str, end: str) -> Iterator[Answer]:
        """Yield the answers from `start` up to and without `end`, in the order of their time; only their hours are read."""
        for hour in self._hours():
            if start[:HOUR] <= hour <= end[:HOUR]:
                found = (answer for answer in read(self._folder / "answers" / hour, Answer) if start <= answer.time < end)
                yield from sorted(found, key=lambda answer: (answer.time, answer.request, answer.position))

    def find(self, request: str, position: int) -> Answer | None:
        """Give one answer by its name; None when there is none or it is no longer kept."""
        return self.find_all([(request, position)]).get((request, position))

    def find_all(self, names: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Answer]:
        """Give answers by their names, requests and positions; each hour is read once, and what is not kept is left out."""
        asked: dict[str, set[str]] = {}
        wanted = set(names)
        for request, _ in wanted:
            for hour in _hours_of(request):
                asked.setdefault(hour, set()).add(request)
        found = {}
        for hour, requests in asked.items():
            for answer in read(self._folder / "answers" / hour, Answer, requests):
                found[answer.request, answer.position] = answer
        return {name: answer for name, answer in found.items() if name in wanted}

    def labels(self, start: str = EVER, end: str = "9999") -> list[Feedback]:
        """Give the true labels told from `start` up to and without `end`, in the order of their time."""
        months = sorted(path.name for path in (self._folder / "feedback").glob("[0-9]*"))
        found = [
            entry
            for month in months
            if start[:MONTH] <= month <= end[:MONTH]
            for entry in read(self._folder / "feedback" / month, Feedback)
            if start <= entry.time < end
        ]
        return sorted(found, key=lambda entry: (entry.time, entry.request, entry.position))

    def first(self) -> str | None:
        """Give the time of the first answer that is kept; None where there is none."""
        for hour in self._hours():
            times = [answer.time for answer in read(self._folder / "answers" / hour, Answer)]
            if times:
                return min(times)
        return None

    def close(self) -> None:
        """Let go of the segments that are open here, and seal them."""
        with self._guard:
            self._let_go(lambda _: True)
        self.seal()

    def seal(self) -> int:
        """Turn segments without a living writer into Parquet; gives how many. Killed half-way, the next one finishes."""
        sealed = 0
        for path in sorted(self._folder.glob(f"*/*/*{OPEN}")):
            with unheld(path) as free:
                if free:
                    seal(path, Answer) if path.parents[1].name == "answers" else seal(path, Feedback)
                    sealed += 1
        return sealed

    def retain(self, now: datetime) -> list[str]:
        """Remove the hours of answers older than the retention; gives their names. True labels stay.

        Age is counted from the newest hour that is kept, or from `now` if that is earlier: a clock that jumped ahead, and a
        service that was long silent, remove nothing.
        """
        hours = self._hours()
        if not hours:
            return []
        newest = min(hours[-1], now.astimezone(UTC).isoformat()[:HOUR])
        oldest = (datetime.fromisoformat(f"{newest}:00") - self._retention).isoformat()[:HOUR]
        gone = [hour for hour in hours if hour < oldest]
        for hour in gone:
            shutil.rmtree(self._folder / "answers" / hour)
        return gone

    def _hours(self) -> list[str]:
        return sorted(path.name for path in (self._folder / "answers").glob("[0-9]*") if _is_hour(path.name))

    def _append(self, kind: str, length: int, entries: Sequence[Any]) -> None:
        lines: dict[str, list[bytes]] = {}
        for entry in entries:
            lines.setdefault(entry.time[:length], []).append(line(entry))
        with self._guard:
            for name, part in lines.items():
                self._segment(self._folder / kind / name).write(b"".join(part))

    def _segment(self, folder: Path) -> Segment:
        if folder not in self._segments:
            # What is past is let go, so that it can be sealed; an entry that comes late opens another segment.
            self._let_go(lambda other: other.parent == folder.parent and other < folder)
            self._segments[folder] = Segment(folder / f"{os.getpid()}-{secrets.token_hex(4)}{OPEN}")
        return self._segments[folder]

    def _let_go(self, chosen: Any) -> None:
        for folder in [folder for folder in self._segments if chosen(folder)]:
            self._segments.pop(folder).close()


def _is_hour(name: str) -> bool:
    try:
        datetime.fromisoformat(f"{name}:00")
    except ValueError:
        return False
    return len(name) == HOUR


def newest_of(entries: Iterable[Feedback]) -> list[Feedback]:
    """Give the last label told for each answer, in the order in which they were told."""
    latest = {(entry.request, entry.position): entry for entry in entries}
    return sorted(latest.values(), key=lambda entry: (entry.time, entry.request, entry.position))
