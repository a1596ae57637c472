"""The databases of the journal: SQLite files that several processes of one machine write at once.

On a local disk they have a write-ahead log: a commit costs no flush, and survives the death of the process.
On a network file system that log is unsafe, since its index is shared memory; there SQLite's rollback journal
takes its place, which several machines may use at once, and which is slower.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.base.errors import Fault
from pipeline.io.file_access import OWN_FILE, keep_access
from pipeline.io.journal import tables

PREDICTIONS, SUFFIX, LOG = "predictions", ".db", "-wal"
# A writer holds the lock for less than a millisecond, but a checkpoint waits for the disk.
BUSY_SECONDS = 10.0
# The log is merged into the database at this size, 16 MiB: at every merge the disk is flushed.
LOG_PAGES = 4096
ROWS = 4096  # fetched at a time
NETWORK_FILE_SYSTEMS = {
    "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "nfs",
    "nfs4", "smb3", "smbfs",
}  # fmt: skip


def path_of(folder: Path, hour: str) -> Path:
    """Return the database of the predictions of an hour in the folder of a journal."""
    return folder / PREDICTIONS / f"{hour}{SUFFIX}"


class Database:
    """A database open for writing, made with these tables where there is none, as a private file."""

    def __init__(self, path: Path, schema: str) -> None:
        """Open it; raises OSError or sqlite3.Error."""
        # Only a new file is touched: closing any handle of a file frees the locks of this process on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWN_FILE))
        keep_access(path)
        self._path, self._inode = path, path.stat().st_ino
        self.connection = _connect(path, "mode=rw", timeout=BUSY_SECONDS)
        try:
            _set_log(self.connection, "DELETE" if is_network_folder(path.parent) else "WAL")
            # A commit must survive the process, not the power; the database stays readable after both.
            self.connection.execute("PRAGMA synchronous=NORMAL")
            self.connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
            # What is deleted is overwritten with zeros.
            self.connection.execute("PRAGMA secure_delete=ON")
            self.connection.executescript(f"BEGIN IMMEDIATE; {schema}; COMMIT")
            tables.add_missing_columns(self.connection)
        except BaseException:
            self.connection.close()
            raise

    def begin(self) -> bool:
        """Begin a transaction; return False where the file was removed, so that writes would be lost."""
        self.connection.execute("BEGIN IMMEDIATE")
        # Only under the lock: nobody removes the file meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                return True
        self.connection.execute("ROLLBACK")
        return False

    def close(self) -> None:
        """Close it, and give up its log where no other process has it open: readers then need none."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("PRAGMA busy_timeout=0")
            self.connection.execute("PRAGMA journal_mode=DELETE")
        self.connection.close()

    def empty_log(self) -> bool:
        """Merge the log and cut it to nothing; return whether no reader prevented it."""
        return not self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]


def read_rows(path: Path, query: str, parameters: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query; none where there is no such database or table.

    Raises Fault for a database that cannot be read.
    """
    with reading(path) as connection:
        cursor = connection.execute(query, parameters) if connection else None
        while cursor and (rows := cursor.fetchmany(ROWS)):
            yield from rows


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open a database for reading; yield None where there is none, or none with tables yet.

    Raises Fault for a database that cannot be read.
    """
    if not path.exists():
        yield None
        return
    try:
        with contextlib.closing(_open_to_read(path)) as connection:
            has_tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            tables.view_missing_columns(connection)
            yield connection if has_tables else None
    except sqlite3.Error as error:
        if not path.exists():  # removed by the retention meanwhile
            yield None
            return
        raise Fault(
            f"{path} cannot be read ({error}). Move it away to continue without its entries."
        ) from error


def merge_log(path: Path) -> bool:
    """Merge the log of a database that no process has open into its file; return whether it is merged."""
    try:
        with contextlib.closing(_connect(path, "mode=rw", timeout=0)) as connection:
            return bool(connection.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",))
    except sqlite3.Error:
        return False


def remove(path: Path) -> bool:
    """Remove a database that no process has open; return whether it is gone."""
    try:
        with contextlib.closing(_connect(path, "mode=rw", timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("BEGIN EXCLUSIVE")
            # A writer that came in between has a log, and makes it anew for the next file of this name.
            if connection.execute("PRAGMA journal_mode").fetchone() == ("delete",):
                path.unlink()
    except sqlite3.DatabaseError as error:
        if not isinstance(error, sqlite3.OperationalError):  # no database any more
            path.unlink(missing_ok=True)
    return not path.exists()


def is_network_folder(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Return whether a folder lies on a network file system, as far as the system says so."""
    try:
        fields = [line.split() for line in mounts.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return False
    resolved = folder.resolve()
    kinds = [
        (len(Path(mount).parts), number, kind)
        for number, (_, mount, kind, *_) in enumerate(line for line in fields if len(line) > 2)
        # Blanks are escaped there.
        if resolved.is_relative_to(mount.replace("\\040", " "))
    ]
    # The innermost mount counts; of two at one place the later one lies on top.
    return max(kinds, default=(0, 0, ""))[2] in NETWORK_FILE_SYSTEMS


def _connect(path: Path, options: str, *, timeout: float) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?{options}"
    return sqlite3.connect(address, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)


def _set_log(connection: sqlite3.Connection, mode: str) -> None:
    # A change of the mode needs the file alone, and SQLite does not wait for it.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode={mode}")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _open_to_read(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "mode=ro", timeout=BUSY_SECONDS)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(path.name + LOG).exists():
            raise
        # Its mode asks for a log, and nobody can make one on a file system that is read-only.
        connection = _connect(path, "mode=ro&immutable=1", timeout=0)
    return connection
