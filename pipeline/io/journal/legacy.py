"""The journal of earlier versions: segments of JSON lines, and Parquet tables they were sealed into.

answers/2026-11-25T08/4711-6f1c.jsonl      predictions of an hour; locked while their writer lives
answers/2026-11-25T08/4711-6f1c.parquet    the same, sealed; where both exist, this one counts
feedback/2026-11/...                       feedback of a month
"""

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipeline.base import logs
from pipeline.base.errors import Fault
from pipeline.base.records import Feedback, JournalEntry

PREDICTIONS, FEEDBACK = "answers", "feedback"
OPEN, SEALED, UNREAD = ".jsonl", ".parquet", ".unread"
BATCH = 4096
# A line that a person typed may be nested deeper than Python follows.
NO_ENTRY = (ValueError, KeyError, TypeError, RecursionError)
Entry = TypeVar("Entry", JournalEntry, Feedback)


def list_folders(folder: Path) -> list[Path]:
    """Return the hours of `answers` or the months of `feedback`, sorted; none where there is no folder."""
    # Not by `glob`, which raises when another process removes the folder meanwhile.
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def list_segments(folder: Path) -> list[Path]:
    """Return every segment of an hour or a month once."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    sealed = {path.stem for path in paths if path.suffix == SEALED}
    return [
        path for path in paths if path.suffix == SEALED or (path.suffix == OPEN and path.stem not in sealed)
    ]


def read_segment(path: Path, kind: type[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries of a segment in batches; none where it was imported meanwhile.

    Lines that are no entries are left out, and so is a last line without its end: its writer died before it
    confirmed the entry. Raises Fault for a table that cannot be read.
    """
    with contextlib.suppress(FileNotFoundError):
        for rows in _batches(_rows(path)):
            yield [entry for row in rows if (entry := _to_entry(row, kind)) is not None]


def import_segments(folder: Path, kind: type[Entry], insert: Callable[[Sequence[Entry]], None]) -> int:
    """Insert the entries of ended writers, remove each segment once it is inserted, and return their number.

    The next call finishes a killed one; `insert` gets some entries twice then. What cannot be imported stays
    readable, is logged and left for the next call. A segment with lines that are no entries, such as those of
    another version, stays as `.unread`.
    """
    log, imported = logs.get("journal"), 0
    for path in list_segments(folder):
        try:
            with lock_if_unheld(path) as free:
                if free:
                    _import_segment(path, kind, insert)
                    imported += 1
        except (OSError, Fault) as error:
            log.warning("segment.not_imported", segment=path.stem, error=type(error).__name__)
    with contextlib.suppress(OSError):  # not empty
        folder.rmdir()
        folder.parent.rmdir()
    return imported


def find_holder(journal: Path, hours: Iterable[str], requests: Collection[str]) -> Path | None:
    """Return a file with lines of one of these requests that no import took, None where there is none."""
    folders = [*(journal / PREDICTIONS / hour for hour in hours), *list_folders(journal / FEEDBACK)]
    for path in (path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())):
        with path.open("rb") as lines:
            if any(request.encode() in line for line in lines for request in requests):
                return path
    return None


@contextlib.contextmanager
def lock_if_unheld(path: Path) -> Iterator[bool]:
    """Lock a segment and yield True; yield False when its writer lives or another process imports it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = os.fstat(handle).st_nlink > 0
        except BlockingIOError:
            free = False
        yield free
    finally:
        os.close(handle)


def _import_segment(path: Path, kind: type[Entry], insert: Callable[[Sequence[Entry]], None]) -> None:
    rejected = 0
    for rows in _batches(_rows(path)):
        entries = [_to_entry(row, kind) for row in rows]
        insert([entry for entry in entries if entry is not None])
        rejected += entries.count(None)
    if rejected:
        path.rename(path.with_suffix(UNREAD))
        logs.get("journal").warning("lines.rejected", segment=path.stem, lines=rejected)
    # Last the table: without it a segment beside it would count.
    path.with_suffix(OPEN).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _rows(path: Path) -> Iterator[Any]:
    if path.suffix == SEALED:
        yield from _table_rows(path)
        return
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                try:
                    yield json.loads(line)
                except NO_ENTRY:
                    yield None


def _table_rows(path: Path) -> Iterator[Any]:
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=BATCH):
                yield from batch.to_pylist()
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise Fault(
            f"{path} cannot be read ({reason}). Move it away to continue without its entries."
        ) from error


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _to_entry(row: Any, kind: type[Entry]) -> Entry | None:
    try:
        # Fields that an earlier version did not know have a default.
        values = {
            field.name: _fitting(row[field.name], field.type)
            for field in dataclasses.fields(kind)
            if field.name in row or field.default is dataclasses.MISSING
        }
    except NO_ENTRY:
        return None
    return kind(**values)


def _fitting(value: Any, kind: object) -> Any:
    """Return a value if it is of a field's type; raises ValueError where it is not."""
    if kind is str and isinstance(value, str):
        # Half of a surrogate pair cannot be encoded: its error is a ValueError.
        return value.encode().decode()
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and type(value) is int and abs(value) < 2**63:
        return value
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind == tuple[float, ...] and isinstance(value, list):
        return tuple(_fitting(item, float) for item in value)
    if kind == tuple[str, ...] and isinstance(value, list):
        return tuple(_fitting(item, str) for item in value)
    raise ValueError(f"{value!r:.40} is of another type")
