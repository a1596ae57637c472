"""Segments of the journal: a file of lines that one living writer appends to, and the table it becomes when the writer is gone."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base import logs
from pipeline.base.errors import Fault
from pipeline.io import files
from pipeline.io.journal import lines
from pipeline.io.journal.lines import Entry

if TYPE_CHECKING:
    import pyarrow

OPEN, SEALED, SEALING, ASIDE = ".jsonl", ".parquet", ".sealing", ".unread"
FEW = 8  # requests that are looked for in a living segment by their bytes, before all of it is read
GROUP_ROWS = 16_384  # of a table are read to give one answer


def list_files(folder: Path, suffix: str = "") -> list[Path]:
    """Give what lies in a folder and is not hidden, in the order of names; nothing where there is no folder, or no longer."""
    # Not by `glob`: that raises when the retention takes away a folder that it is looking into.
    try:
        return sorted(
            path for path in folder.iterdir() if path.name.endswith(suffix) and not path.name.startswith(".")
        )
    except (FileNotFoundError, NotADirectoryError):
        return []


class Segment:
    """Append lines to one file that nobody else writes, until it is let go."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._size = 0
        while True:
            self.path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{OPEN}"
            self._handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            # Before it was locked another process may have taken it for one without a writer.
            if not self.gone:
                return
            os.close(self._handle)

    @property
    def gone(self) -> bool:
        """Say whether the file was removed, so that whatever is written to it is lost."""
        return os.fstat(self._handle).st_nlink == 0

    def write(self, content: bytes) -> None:
        """Append whole lines or none of them; raises OSError, after which this segment is no longer to be used."""
        written = 0
        try:
            while written < len(content):
                written += os.write(self._handle, content[written:])
        except OSError:
            # What follows a torn line would be read as its end. Where this fails too, the torn line stays the last.
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, self._size)
            raise
        self._size += written

    def close(self) -> None:
        """Let go of the file, so that it can be sealed."""
        os.close(self._handle)


@contextlib.contextmanager
def lock_if_unheld(path: Path) -> Iterator[bool]:
    """Hold a segment whose writer is gone; False when its writer lives, or when another is sealing it or has done so."""
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


def seal_segment(path: Path, kind: type[Entry]) -> None:
    """Make a segment without a writer a table; killed between the two, the table counts and the next one removes the segment.

    Whole lines that are no entry, such as those of another version, are set aside in a file beside it.
    """
    import pyarrow.parquet

    if not path.with_suffix(SEALED).exists():
        table, strange = lines.parse_lines(path.read_bytes(), kind)
        beside = path.with_suffix(SEALING)
        if strange:
            files.write_bytes(path.with_suffix(ASIDE), b"".join(one + b"\n" for one in strange), mode=0o600)
            logs.get("journal").warning("lines set aside", segment=path.stem, lines=len(strange))
        if table.num_rows:
            with files.report_disk_full(path):
                pyarrow.parquet.write_table(table, beside, compression="zstd", row_group_size=GROUP_ROWS)
                _flush(beside)
                beside.replace(path.with_suffix(SEALED))
    path.unlink()


def read_segments(folder: Path, kind: type[Entry], start: str, end: str) -> list[Entry]:
    """Give the entries in a folder from `start` up to and without `end`, in the order of their time, request and position."""
    import pyarrow

    tables = [lines.filter_times(table, start, end) for table in _tables(folder, kind)]
    if not tables:
        return []
    found = pyarrow.concat_tables(tables)
    return lines.table_to_entries(
        found.sort_by([("time", "ascending"), ("request", "ascending"), ("position", "ascending")]), kind
    )


def find_in_segments(folder: Path, kind: type[Entry], requests: Collection[str]) -> Iterator[Entry]:
    """Yield the entries of some requests in a folder."""
    for path in _segments(folder):
        try:
            content = path.read_bytes() if path.suffix == OPEN else None
        except FileNotFoundError:  # sealed just now
            path, content = path.with_suffix(SEALED), None
        if content is None:
            with contextlib.suppress(FileNotFoundError):  # past its retention just now
                for group in _groups(path, kind, requests):
                    yield from lines.table_to_entries(group, kind)
        elif len(requests) <= FEW:
            yield from lines.find_entries(content, kind, requests)
        else:
            yield from lines.table_to_entries(
                lines.filter_requests(lines.parse_lines(content, kind)[0], requests), kind
            )


def _segments(folder: Path) -> list[Path]:
    """Give every segment once. Living ones are listed first: one sealed between the two looks is then seen in one of them."""
    living = list_files(folder, OPEN)
    sealed = list_files(folder, SEALED)
    names = {path.stem for path in sealed}
    return sorted([*sealed, *(path for path in living if path.stem not in names)])


def _tables(folder: Path, kind: type[Entry]) -> Iterator["pyarrow.Table"]:
    for path in _segments(folder):
        if path.suffix == OPEN:
            try:
                yield lines.parse_lines(path.read_bytes(), kind)[0]
                continue
            except FileNotFoundError:  # sealed just now
                path = path.with_suffix(SEALED)
        with contextlib.suppress(FileNotFoundError):  # past its retention just now
            yield from _groups(path, kind, None)


def _groups(path: Path, kind: type[Entry], requests: Collection[str] | None) -> Iterator["pyarrow.Table"]:
    """Yield the parts of a table; of some requests, only those that hold one of them."""
    import pyarrow.parquet

    with _told_when_damaged(path), pyarrow.parquet.ParquetFile(path) as table:
        for number in range(table.num_row_groups):
            if (
                requests is None
                or lines.filter_requests(table.read_row_group(number, columns=["request"]), requests).num_rows
            ):
                group = lines.conform_table(table.read_row_group(number), kind)
                yield group if requests is None else lines.filter_requests(group, requests)


@contextlib.contextmanager
def _told_when_damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise Fault(
            f"{path} cannot be read ({_first(error)}). Move it aside to go on without its answers."
        ) from error


def _first(error: Any) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _flush(path: Path) -> None:
    path.chmod(0o600)
    with path.open("rb") as file:
        os.fsync(file.fileno())
