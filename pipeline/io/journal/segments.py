"""Segments of the journal: files of lines that one writer appends to, sealed into tables after its end."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.errors import Fault
from pipeline.io import files
from pipeline.io.journal import lines
from pipeline.io.journal.lines import Entry

if TYPE_CHECKING:
    import pyarrow

OPEN, SEALED, SEALING, UNREAD = ".jsonl", ".parquet", ".sealing", ".unread"
# Up to so many requests are searched in a living segment by their bytes; for more all of it is parsed.
MAX_SEARCHED = 8
# So many rows of a table are read to return one entry.
GROUP_ROWS = 16_384


def list_files(folder: Path, suffix: str = "") -> list[Path]:
    """Return the paths in a folder that are not hidden, sorted by name; none where there is no folder."""
    # Not by `glob`, which raises when the retention removes the folder meanwhile.
    try:
        return sorted(
            path for path in folder.iterdir() if path.name.endswith(suffix) and not path.name.startswith(".")
        )
    except (FileNotFoundError, NotADirectoryError):
        return []


class Segment:
    """Append lines to one file that no other writer uses."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._size = 0
        while True:
            self.path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{OPEN}"
            self._handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            # Before it was locked another process may have sealed it as one without a writer.
            if not self.removed:
                return
            os.close(self._handle)

    @property
    def removed(self) -> bool:
        """Return whether the file was removed, so that writes to it are lost."""
        return os.fstat(self._handle).st_nlink == 0

    def write(self, content: bytes) -> None:
        """Append all lines or none.

        Raises OSError, after which the segment must not be used.
        """
        written = 0
        try:
            while written < len(content):
                written += os.write(self._handle, content[written:])
        except OSError:
            # Lines after a torn one would be parsed with it. Where this fails too, the torn line stays last.
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, self._size)
            raise
        self._size += written

    def close(self) -> None:
        """Close and unlock the file, so that it can be sealed."""
        os.close(self._handle)


@contextlib.contextmanager
def lock_if_unheld(path: Path) -> Iterator[bool]:
    """Lock a segment and yield True; yield False when its writer lives or another process seals it."""
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
    """Turn the segment of an ended writer into a table; the next call finishes a killed one.

    Complete lines that are no entries, such as those of another version, go to a file beside it.
    """
    import pyarrow.parquet

    if not path.with_suffix(SEALED).exists():
        table, rejected = lines.parse_lines(path.read_bytes(), kind)
        sealing = path.with_suffix(SEALING)
        if rejected:
            files.write_bytes(
                path.with_suffix(UNREAD), b"".join(line + b"\n" for line in rejected), mode=0o600
            )
            logs.get("journal").warning("lines.rejected", segment=path.stem, lines=len(rejected))
        if table.num_rows:
            with files.report_disk_full(path):
                pyarrow.parquet.write_table(table, sealing, compression="zstd", row_group_size=GROUP_ROWS)
                _flush(sealing)
                sealing.replace(path.with_suffix(SEALED))
    path.unlink()


def read_segments(folder: Path, kind: type[Entry], start: str, end: str) -> list[Entry]:
    """Return the entries of a folder with `start` <= time < `end`, by time, request and position."""
    import pyarrow

    tables = [lines.filter_times(table, start, end) for table in _tables(folder, kind)]
    if not tables:
        return []
    order = [(column, "ascending") for column in ("time", "request", "position")]
    return lines.table_to_entries(pyarrow.concat_tables(tables).sort_by(order), kind)


def find_in_segments(folder: Path, kind: type[Entry], requests: Collection[str]) -> Iterator[Entry]:
    """Yield the entries of some requests in a folder."""
    for path in _segments(folder):
        try:
            content = path.read_bytes() if path.suffix == OPEN else None
        except FileNotFoundError:  # sealed meanwhile
            path, content = path.with_suffix(SEALED), None
        if content is None:
            with contextlib.suppress(FileNotFoundError):  # removed by the retention meanwhile
                for group in _groups(path, kind, requests):
                    yield from lines.table_to_entries(group, kind)
        elif len(requests) <= MAX_SEARCHED:
            yield from lines.find_entries(content, kind, requests)
        else:
            yield from lines.table_to_entries(
                lines.filter_requests(lines.parse_lines(content, kind)[0], requests), kind
            )


def _segments(folder: Path) -> list[Path]:
    """Return every segment once; open ones are listed first, so that one sealed in between is not missed."""
    open_segments = list_files(folder, OPEN)
    sealed = list_files(folder, SEALED)
    names = {path.stem for path in sealed}
    return sorted([*sealed, *(path for path in open_segments if path.stem not in names)])


def _tables(folder: Path, kind: type[Entry]) -> Iterator["pyarrow.Table"]:
    for path in _segments(folder):
        if path.suffix == OPEN:
            try:
                yield lines.parse_lines(path.read_bytes(), kind)[0]
                continue
            except FileNotFoundError:  # sealed meanwhile
                path = path.with_suffix(SEALED)
        with contextlib.suppress(FileNotFoundError):  # removed by the retention meanwhile
            yield from _groups(path, kind, None)


def _groups(path: Path, kind: type[Entry], requests: Collection[str] | None) -> Iterator["pyarrow.Table"]:
    """Yield the row groups of a table; with `requests`, only their rows."""
    import pyarrow.parquet

    with _report_damage(path), pyarrow.parquet.ParquetFile(path) as table:
        for number in range(table.num_row_groups):
            if (
                requests is None
                or lines.filter_requests(table.read_row_group(number, columns=["request"]), requests).num_rows
            ):
                group = lines.conform_table(table.read_row_group(number), kind)
                yield group if requests is None else lines.filter_requests(group, requests)


@contextlib.contextmanager
def _report_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise Fault(
            f"{path} cannot be read ({_first_line(error)}). Move it away to continue without its entries."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _flush(path: Path) -> None:
    path.chmod(0o600)
    with path.open("rb") as file:
        os.fsync(file.fileno())
