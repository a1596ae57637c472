"""Segments of the journal: a file of lines that one living writer appends to, and the table it becomes when the writer is gone."""

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import Fault
from pipeline.schema import Answer, Feedback
from pipeline.storage import files, tables

Entry = TypeVar("Entry", Answer, Feedback)
OPEN, SEALED = ".jsonl", ".parquet"


class Segment:
    """Append lines to one file that nobody else writes, until it is let go."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def write(self, lines: bytes) -> None:
        """Append whole lines; raises Fault when the disk is full."""
        with files.told_when_full(self.path):
            written = 0
            while written < len(lines):
                written += os.write(self._handle, lines[written:])

    def close(self) -> None:
        """Let go of the file, so that it can be sealed."""
        os.close(self._handle)


def line(entry: Any) -> bytes:
    """Write an entry as one line."""
    return json.dumps(dataclasses.asdict(entry), ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


@contextlib.contextmanager
def unheld(path: Path) -> Iterator[bool]:
    """Hold a segment whose writer is gone while it is sealed; False when its writer lives or another is sealing it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Sealed by another between the look and the lock.
        yield path.exists()
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


def seal(path: Path, kind: type[Entry]) -> None:
    """Make a segment without a writer a table; killed between the two, the table counts and the segment is removed by the next one."""
    entries = list(_entries(path.read_bytes(), kind))
    if entries:
        columns = {field.name: [getattr(entry, field.name) for entry in entries] for field in dataclasses.fields(kind)}
        beside = path.with_suffix(".sealing")
        with files.told_when_full(path):
            tables.write_rows(beside, columns)
            beside.replace(path.with_suffix(SEALED))
    path.unlink()


def read(folder: Path, kind: type[Entry], requests: Collection[str] | None = None) -> Iterator[Entry]:
    """Yield the entries in a folder, in no order; only those of some requests, if they are named."""
    sealed = {path.stem: path for path in folder.glob(f"*{SEALED}")}
    for path in sorted(folder.glob(f"*{OPEN}")):
        if path.stem not in sealed:
            try:
                yield from _entries(path.read_bytes(), kind, requests)
            except FileNotFoundError:  # sealed just now
                sealed[path.stem] = path.with_suffix(SEALED)
    for path in sealed.values():
        with contextlib.suppress(FileNotFoundError):  # past its retention just now
            yield from _rows(path, kind, requests)


def _entries(content: bytes, kind: type[Entry], requests: Collection[str] | None = None) -> Iterator[Entry]:
    # A line without its end was never answered for: its writer died in it.
    for told in content.split(b"\n")[:-1]:
        with contextlib.suppress(ValueError, TypeError):
            entry = _entry(json.loads(told), kind)
            if requests is None or entry.request in requests:
                yield entry


def _rows(path: Path, kind: type[Entry], requests: Collection[str] | None = None) -> Iterator[Entry]:
    try:
        columns = tables.read_rows(path, among=None if requests is None else ("request", requests))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise Fault(f"{path} cannot be read ({error}). Move it aside to go on without its hour.") from error
    for values in zip(*columns.values(), strict=True):
        yield _entry(dict(zip(columns, values, strict=True)), kind)


def _entry(values: dict[str, Any], kind: type[Entry]) -> Entry:
    if "probabilities" in values:
        values["probabilities"] = tuple(values["probabilities"])
    return kind(**values)
