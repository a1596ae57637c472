"""Temporary databases with what earlier versions left in the journal and what was imported of it since."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipeline.base.records import Feedback, JournalEntry
from pipeline.io.journal import legacy, tables
from pipeline.io.journal.database import Database, read_rows

PREFIX, PART = "tonewatch-journal-", ".part"
Entry = TypeVar("Entry", JournalEntry, Feedback)
Rows = Iterable[tuple[Any, ...]]


class LegacyCopies:
    """Build each copy once, whole or not at all, in a folder that ends with this object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None

    def of_predictions(self, segments: Sequence[Path], path: Path) -> Path:
        """Return a database with the predictions of an hour: of its segments, then of its database `path`."""

        def batches() -> Iterator[Rows]:
            yield from _rows(segments, JournalEntry, tables.prediction_row)
            # After the segments: what is imported meanwhile is here.
            current = read_rows(path, f"{tables.SELECT_PREDICTIONS} ORDER BY id")
            yield map(tables.prediction_row, map(tables.to_prediction, current))

        return self._copy(path.name, tables.PREDICTIONS_SCHEMA, tables.INSERT_PREDICTION, batches())

    def of_feedback(self, segments: Sequence[Path], path: Path) -> Path:
        """Return a database with all feedback: of the segments, then of the database `path`."""

        def batches() -> Iterator[Rows]:
            yield from _rows(segments, Feedback, tables.feedback_row)
            yield read_rows(path, tables.SELECT_FEEDBACK)

        return self._copy(path.name, tables.FEEDBACK_SCHEMA, tables.IMPORT_FEEDBACK, batches())

    def _copy(self, name: str, schema: str, insert: str, batches: Iterable[Rows]) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = _private_folder(self)
            copy, part = self._folder / name, self._folder / (name + PART)
            if not copy.exists():
                part.unlink(missing_ok=True)  # of a copy that failed
                with contextlib.closing(Database(part, schema)) as database:
                    for batch in batches:
                        database.begin()
                        database.connection.executemany(insert, batch)
                        database.connection.execute("COMMIT")
                # Closed, so that no log belongs to it.
                part.rename(copy)
            return copy


def _rows(
    segments: Sequence[Path], kind: type[Entry], to_row: Callable[[Entry], tuple[Any, ...]]
) -> Iterator[Rows]:
    for segment in segments:
        for entries in legacy.read_segment(segment, kind):
            yield map(to_row, entries)


def _private_folder(owner: object) -> Path:
    """Make a folder that is removed with its owner; where the process is killed, by the next one."""
    _sweep(Path(tempfile.gettempdir()))
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with contextlib.suppress(FileNotFoundError):  # swept by another process before it was locked
            handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_SH)
            if folder.exists():
                weakref.finalize(owner, _remove, folder, handle)
                return folder
            os.close(handle)


def _remove(folder: Path, handle: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(handle)


def _sweep(parent: Path) -> None:
    """Remove the folders of killed processes: nobody holds their lock."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                if os.fstat(handle).st_uid == os.getuid():
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)
