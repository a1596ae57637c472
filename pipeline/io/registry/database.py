"""The database of the ledger: SQLite by default, or PostgreSQL; one writer at a time in both."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.base.errors import Fault, Unreachable, UsageError
from pipeline.io.registry.ledger_tables import ledger_schema

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

BUSY_SECONDS = 30
CONNECT_SECONDS = 10
WRITE_LOCK = 7_267_001  # an arbitrary number for PostgreSQL's advisory lock
# UTC to the second; PostgreSQL's now() is the start of the transaction, before it waited for the lock.
CLOCKS = {
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now')",
    "postgresql": "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
}


class Database:
    """One database, opened at its first use, which creates missing tables; safe for concurrent processes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._file: tuple[int, int] | None = None

    @contextlib.contextmanager
    def reading(self) -> Iterator["Connection"]:
        """Yield a connection with one consistent view of the database."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator["Connection"]:
        """Yield the connection of the only transaction that may write now; any error rolls it back."""
        with self._transaction(writes=True) as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, *, writes: bool) -> Iterator["Connection"]:
        from sqlalchemy.exc import SQLAlchemyError

        place = _place(self._url)
        try:
            with (
                self._opened(place).connect().execution_options(writes=writes) as connection,
                connection.begin(),
            ):
                yield connection
        except (SQLAlchemyError, OSError) as error:
            reason = " ".join(str(getattr(error, "orig", None) or error).split())
            if "readonly" in reason:
                raise Fault(
                    f"The ledger at {_shown(place)} cannot be written by this user. "
                    "Change its owner or rights, or mount it writable, then repeat the command."
                ) from error
            raise Unreachable(
                f"The ledger at {_shown(place)} failed: {reason}. "
                "Check TONEWATCH_LEDGER, then repeat the command."
            ) from error

    def _opened(self, place: "URL") -> "Engine":
        """Open the database, again where its file was replaced, which an open connection does not notice."""
        file = _file(place)
        if self._engine is not None and file != self._file:
            if file is None:
                raise FileNotFoundError("its file was removed")
            self._engine.dispose()
            self._engine = None
        if self._engine is None:
            self._engine, self._file = _open(place), _file(place)
        return self._engine


def database_time(connection: "Connection") -> str:
    """Return the UTC time by the clock of the database."""
    return str(connection.exec_driver_sql(CLOCKS[connection.dialect.name]).scalar_one())


def _place(url: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    with contextlib.suppress(ArgumentError):
        place = make_url(url)
        if place.get_backend_name() in CLOCKS and place.database:
            return place.set(drivername="postgresql+psycopg") if place.drivername == "postgresql" else place
    # The message omits the address, which may contain a password.
    raise UsageError(
        "TONEWATCH_LEDGER is not the address of a supported database. "
        "Write sqlite:////folder/ledger.db or postgresql+psycopg://user@host/database."
    )


def _file(place: "URL") -> tuple[int, int] | None:
    """Return device and inode of the SQLite file, None where there is none."""
    try:
        stat = Path(str(place.database)).stat() if place.get_backend_name() == "sqlite" else None
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino) if stat else None


def _shown(place: "URL") -> str:
    return place.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


def _open(place: "URL") -> "Engine":
    from sqlalchemy import NullPool, create_engine, event
    from sqlalchemy.exc import NoSuchModuleError

    if place.get_backend_name() == "sqlite":
        return _open_sqlite(place)
    timeout = {} if "connect_timeout" in place.query else {"connect_timeout": CONNECT_SECONDS}
    try:
        # Without a pool no transaction gets a connection that died with a restarted server.
        engine = create_engine(place, poolclass=NullPool, connect_args=timeout)
    except (ImportError, NoSuchModuleError) as error:
        raise UsageError(
            f"The ledger at {_shown(place)} needs a missing driver. Type: pip install 'psycopg[binary]'"
        ) from error
    event.listen(engine, "begin", _begin_postgres)
    _create(engine)
    return engine


def _open_sqlite(place: "URL") -> "Engine":
    from filelock import FileLock
    from sqlalchemy import create_engine, event

    path = Path(str(place.database))
    if path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return _open_read_only(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(place, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    # Switching a new file to WAL needs exclusive access, and SQLite does not wait for that.
    with FileLock(f"{path}.lock", timeout=BUSY_SECONDS):
        _create(engine)
    return engine


def _open_read_only(path: Path) -> "Engine":
    """Open a SQLite file that this user cannot write, as in a read-only workspace."""
    from sqlalchemy import NullPool, create_engine, event

    # In WAL mode SQLite makes a file beside the database even to read, unless it is told that nobody writes.
    log = path.with_name(f"{path.name}-wal")
    immutable = "" if log.is_file() and log.stat().st_size else "&immutable=1"
    address = f"file:{quote(str(path))}?mode=ro{immutable}"
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, uri=True, isolation_level=None),
        poolclass=NullPool,
    )
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would take the write lock too late
    for setting in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: "Connection") -> None:
    # A writer that reads first fails if another wrote in between; taking the write lock first waits instead.
    connection.exec_driver_sql(
        "BEGIN IMMEDIATE" if connection.get_execution_options().get("writes", True) else "BEGIN"
    )


def _begin_postgres(connection: "Connection") -> None:
    if not connection.get_execution_options().get("writes", True):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return
    # Read committed, whatever the server's default: after waiting for the lock, reads see the last commit.
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
    # A stopped writer does not block the others for ever.
    connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{BUSY_SECONDS}s'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


def _create(engine: "Engine") -> None:
    with engine.connect().execution_options(writes=False) as connection:
        if set(ledger_schema().tables) <= _tables(connection):
            return
    with engine.begin() as connection:  # one writer at a time, so create_all skips what another created
        ledger_schema().create_all(connection)


def _tables(connection: "Connection") -> set[str]:
    """Return those of our tables that exist; raise Fault where one has other columns."""
    from sqlalchemy import inspect

    inspector = inspect(connection)
    tables = set(ledger_schema().tables) & set(inspector.get_table_names())
    for name in sorted(tables):
        columns = {column["name"] for column in inspector.get_columns(name)}
        expected = set(ledger_schema().tables[name].columns.keys())
        if columns != expected:
            raise Fault(
                f"The ledger at {_shown(connection.engine.url)} was made by another version of Tonewatch: "
                f"its table {name} differs in {', '.join(sorted(columns ^ expected))}, and its rows cannot "
                "be chained afterwards. Rename it or point TONEWATCH_LEDGER at a new place, then repeat "
                "the command: a new ledger begins."
            )
    return tables
