"""The journal: the predictions of the service and the feedback it received; crash-safe.

A prediction is in the journal when `append` returns: the page cache of the system outlives the process. All
processes of one machine write to the same databases; several machines may share a folder on a network file
system.

    predictions/2026-11-25T08.db   predictions of an hour, with SQLite's log beside it while it is written
    feedback.db                    the labels of predictions, one each, without texts
    audit.db                       the predictions drawn to be labelled, and what people say, without texts
    passes/2026-11-25              a day on which the retention ran

What earlier versions left in `answers` and `feedback` is imported when a writer opens the journal.
"""

import re
import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.base import times
from pipeline.base.errors import Fault
from pipeline.base.records import Feedback, JournalEntry
from pipeline.io.file_access import make_private
from pipeline.io.journal import legacy, retention, tables
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.journal.database import LOG, Database, merge_log, path_of
from pipeline.io.journal.reader import FEEDBACK, JournalReader, hours_of, list_hours
from pipeline.io.journal.retention import HOUR, RetentionReport

RANDOM_BYTES = 10
# Earlier versions had no microsecond.
REQUEST_ID = re.compile(r"[0-9]{10}-([0-9a-f]{8})?[0-9a-f]{20}")


def is_request_id(text: str) -> bool:
    """Return whether a text has the form of a request id, of this version or an earlier one."""
    return REQUEST_ID.fullmatch(text) is not None


def request_id(now: datetime) -> str:
    """Return a new request id: its hour, by which its predictions are found, its microsecond, 80 random bits.

    So ids of one process sort by time, and nobody guesses one.
    """
    now = now.astimezone(UTC)
    micros = (now.minute * 60 + now.second) * 1_000_000 + now.microsecond
    return f"{now:%Y%m%d%H}-{micros:08x}{secrets.token_hex(RANDOM_BYTES)}"


class Journal(JournalReader):
    """Write and read the journal in one folder; safe for threads and processes."""

    def __init__(self, folder: Path, *, retention_days: int) -> None:
        super().__init__(folder)
        self._days = retention_days
        self._databases: dict[str, Database] = {}  # by hour, and that of the feedback
        self._closed = threading.Event()
        # `_guard` protects the databases, the others the work that goes on beside predictions.
        self._guard, self._sealing, self._importing = threading.RLock(), threading.Lock(), threading.Lock()
        # An import takes a while, and predictions go on meanwhile.
        threading.Thread(target=self.seal, name="journal-seal", daemon=True).start()

    @staticmethod
    def reading(folder: Path, *, late_hours: float | None = 0.0) -> JournalReader:
        """Open a journal for reading only; nothing in it is changed."""
        return JournalReader(folder, late_hours=late_hours)

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Write predictions, each in the hour of its own time; one that is there already stays as it is.

        Raises Fault when they cannot be written.
        """
        rows: dict[str, list[tuple[object, ...]]] = {}
        for entry in entries:
            rows.setdefault(entry.time[:HOUR], []).append(tables.prediction_row(entry))
        for hour, part in rows.items():
            with self._writing(hour) as connection:
                connection.executemany(tables.INSERT_PREDICTION, part)

    def append_feedback(self, entries: Sequence[Feedback]) -> list[str]:
        """Write labels of predictions, and return the label that stands for each: the first one stays.

        Raises Fault when they cannot be written.
        """
        query = "SELECT label FROM feedback WHERE request = ? AND position = ?"
        with self._writing(FEEDBACK) as connection:
            connection.executemany(tables.INSERT_FEEDBACK, map(tables.feedback_row, entries))
            keys = [(entry.request, entry.position) for entry in entries]
            return [str(connection.execute(query, key).fetchone()[0]) for key in keys]

    def probe(self, now: datetime) -> None:
        """Write to the database of the hour; raises Fault when that fails."""
        time = times.format_micros(now)
        with self._writing(time[:HOUR]) as connection:
            connection.execute("INSERT OR REPLACE INTO probe VALUES (1, ?)", (time,))

    def forget(self, requests: Collection[str]) -> None:
        """Remove the predictions of requests and their feedback, so that no byte of them is left.

        Raises Fault where that failed, such as while another process reads the journal.
        """
        self._erase(requests, "request = ?", [(request,) for request in requests])

    def erase(self, keys: Collection[tuple[str, int]]) -> None:
        """Remove single predictions, by request and position, as `forget` removes whole requests."""
        self._erase(sorted({request for request, _ in keys}), "request = ? AND position = ?", sorted(keys))

    def _erase(self, requests: Collection[str], where: str, keys: Sequence[tuple[object, ...]]) -> None:
        hours = sorted({hour for request in requests for hour in hours_of(request)})
        self._feedback_database()
        for hour in hours:
            self._hour(hour)
        if holder := legacy.find_holder(self._folder, hours, requests):
            raise Fault(
                f"{holder} of an earlier version holds one of the requests and cannot be imported. End the "
                "service that writes it, or remove it, then type the same again. Nothing is erased yet."
            )
        AuditQueue(self._folder).forget(where, keys)
        for name in [*(hour for hour in hours if self._path(hour).exists()), FEEDBACK]:
            table = "feedback" if name == FEEDBACK else "predictions"
            with self._guard:
                with self._writing(name) as connection:
                    connection.executemany(f"DELETE FROM {table} WHERE {where}", keys)
                if not self._databases[name].empty_log():
                    raise Fault(f"A process that reads {self._path(name)} keeps it. Type the same again.")

    def close(self) -> None:
        """Close the databases that this process writes, and merge their logs where nobody else does."""
        self._closed.set()
        with self._guard:
            self._close(list(self._databases))
        self._merge_logs()

    def seal(self) -> int:
        """Import what earlier versions wrote and merge logs that nobody writes; return their number.

        The next call finishes a killed one. What cannot be done, as on a full disk, stays readable; it is
        logged and left for the next call.
        """
        with self._sealing:
            # Not past the end of the service: the next start goes on.
            hours = (hour for hour in list_hours(self._folder) if not self._closed.is_set())
            imported = sum(self._import_hour(hour) for hour in hours) + self._import_feedback()
            return imported + self._merge_logs()

    def retain(self, now: datetime) -> RetentionReport:
        """Remove predictions past their retention and their feedback, as far as the clock is trusted."""
        with self._sealing:
            report = retention.apply_retention(
                self._folder, list_hours(self._folder), days=self._days, now=now
            )
        if report.oldest:
            AuditQueue(self._folder).retain(report.oldest)
        if report.oldest and (self._folder / FEEDBACK).exists():
            oldest = report.oldest.replace("-", "").replace("T", "")
            with self._writing(FEEDBACK) as connection:
                connection.execute("DELETE FROM feedback WHERE request < ?", (oldest,))
        return report

    @contextmanager
    def _writing(self, name: str) -> Iterator[sqlite3.Connection]:
        """Open a transaction on a database; all of it is written or nothing."""
        with self._guard:
            try:
                connection = self._begin(name)
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except (OSError, sqlite3.Error) as error:
                self._close([name])
                raise Fault(
                    f"The journal cannot write to {self._path(name)} ({_reason(error)}). "
                    "Fix that; earlier entries are unchanged."
                ) from error

    def _begin(self, name: str) -> sqlite3.Connection:
        while not (database := self._databases.get(name) or self._open(name)).begin():
            # The retention, or a person, removed the file.
            self._close([name])
        return database.connection

    def _open(self, name: str) -> Database:
        path = self._path(name)
        make_private(self._folder, path.parent)
        schema = tables.FEEDBACK_SCHEMA if name == FEEDBACK else tables.PREDICTIONS_SCHEMA
        self._databases[name] = database = Database(path, schema)
        if name != FEEDBACK:
            # A late entry opens a past hour again.
            self._close([other for other in self._databases if other < name])
        return database

    def _path(self, name: str) -> Path:
        return self._folder / FEEDBACK if name == FEEDBACK else path_of(self._folder, name)

    def _close(self, names: Iterable[str]) -> None:
        for name in names:
            if database := self._databases.pop(name, None):
                database.close()

    def _hour(self, hour: str) -> Path:
        self._import_hour(hour)
        return path_of(self._folder, hour)

    def _feedback_database(self) -> Path:
        self._import_feedback()
        return self._folder / FEEDBACK

    def _import_hour(self, hour: str) -> int:
        def insert(entries: Sequence[JournalEntry]) -> None:
            if self._closed.is_set():
                raise Fault("The journal is closed; its next writer goes on with this import.")
            self.append(entries)

        folder = self._folder / legacy.PREDICTIONS / hour
        if not folder.exists():  # nobody waits for the import of another hour
            return 0
        # One thread at a time: whoever asks for an hour waits until all of it is there.
        with self._importing:
            return legacy.import_segments(folder, JournalEntry, insert) if folder.exists() else 0

    def _import_feedback(self) -> int:
        def insert(entries: Sequence[Feedback]) -> None:
            with self._writing(FEEDBACK) as connection:
                connection.executemany(tables.IMPORT_FEEDBACK, map(tables.feedback_row, entries))

        with self._importing:
            months = legacy.list_folders(self._folder / legacy.FEEDBACK)
            return sum(legacy.import_segments(month, Feedback, insert) for month in months)

    def _merge_logs(self) -> int:
        paths = [self._path(name) for name in (FEEDBACK, *list_hours(self._folder))]
        return sum(merge_log(path) for path in paths if path.with_name(path.name + LOG).exists())


def _reason(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)
