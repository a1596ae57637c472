"""The database under the ledger: SQLite by default, PostgreSQL by its address; one writer at a time in both."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.errors import Fault, Unreachable, UsageError
from pipeline.io.registry.ledger_tables import ledger_schema

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

BUSY_SECONDS = 30
ANSWER_SECONDS = 10
WRITE_LOCK = 7_267_001  # any number that is ours, for PostgreSQL's advisory lock
# Both give UTC to the second; PostgreSQL's now() would be the time at which a writer began to wait for its turn.
CLOCKS = {
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now')",
    "postgresql": "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
}


class Database:
    """Open one database at its first use, with its tables made if they are not there; safe for many processes at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._file: tuple[int, int] | None = None

    @contextlib.contextmanager
    def reading(self) -> Iterator["Connection"]:
        """Give one unchanging view of the database."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator["Connection"]:
        """Give the only transaction that writes now; on any error it leaves everything as it was."""
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
            raise Unreachable(
                f"The ledger at {_shown(place)} does not answer as it should: {reason}. Look at TONEWATCH_LEDGER, then type the same again."
            ) from error

    def _opened(self, place: "URL") -> "Engine":
        """Open the database; anew where another file was put in its place, which an open one would never see."""
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
    """Tell the time by the database's clock, in UTC."""
    return str(connection.exec_driver_sql(CLOCKS[connection.dialect.name]).scalar_one())


def _place(url: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    with contextlib.suppress(ArgumentError):
        place = make_url(url)
        if place.get_backend_name() in CLOCKS and place.database:
            return place.set(drivername="postgresql+psycopg") if place.drivername == "postgresql" else place
    # The address itself is not shown: it may hold a password.
    raise UsageError(
        "TONEWATCH_LEDGER is no address of a database the ledger can be kept in. "
        "Write sqlite:////folder/ledger.db or postgresql+psycopg://user@host/database."
    )


def _file(place: "URL") -> tuple[int, int] | None:
    """Tell SQLite's file from any other; None where there is none."""
    try:
        found = Path(str(place.database)).stat() if place.get_backend_name() == "sqlite" else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def _shown(place: "URL") -> str:
    return place.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


def _open(place: "URL") -> "Engine":
    from sqlalchemy import NullPool, create_engine, event
    from sqlalchemy.exc import NoSuchModuleError

    if place.get_backend_name() == "sqlite":
        return _open_sqlite(place)
    patience = {} if "connect_timeout" in place.query else {"connect_timeout": ANSWER_SECONDS}
    try:
        # No pool: a transaction that begins after the server was restarted finds no dead connection.
        engine = create_engine(place, poolclass=NullPool, connect_args=patience)
    except (ImportError, NoSuchModuleError) as error:
        raise UsageError(
            f"The ledger at {_shown(place)} needs a driver that is missing. Type: pip install 'psycopg[binary]'"
        ) from error
    event.listen(engine, "begin", _begin_postgres)
    _create(engine)
    return engine


def _open_sqlite(place: "URL") -> "Engine":
    from filelock import FileLock
    from sqlalchemy import create_engine, event

    path = Path(str(place.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(place, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _settle_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    # Turning a new file to WAL needs it alone, and SQLite does not wait for that by itself.
    with FileLock(f"{path}.lock", timeout=BUSY_SECONDS):
        _create(engine)
    return engine


def _settle_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late to take the write lock first
    for setting in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: "Connection") -> None:
    # A writer that first reads and then writes would fail at once where another wrote in between; taking the lock first waits.
    connection.exec_driver_sql(
        "BEGIN IMMEDIATE" if connection.get_execution_options().get("writes", True) else "BEGIN"
    )


def _begin_postgres(connection: "Connection") -> None:
    if not connection.get_execution_options().get("writes", True):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return
    # Read committed whatever the server prefers: what is read after the lock was waited for is what the one before has written.
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
    # A writer that was stopped half-way does not hold up the others for ever.
    connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{BUSY_SECONDS}s'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


def _create(engine: "Engine") -> None:
    with engine.connect().execution_options(writes=False) as connection:
        if set(ledger_schema().tables) <= _tables(connection):
            return
    with engine.begin() as connection:  # only one at a time, so whoever comes second finds them
        ledger_schema().create_all(connection)


def _tables(connection: "Connection") -> set[str]:
    """Name those of our tables that are there; raises Fault when one has the shape of another version."""
    from sqlalchemy import inspect

    found = inspect(connection)
    there = set(ledger_schema().tables) & set(found.get_table_names())
    for name in sorted(there):
        columns, ours = (
            {column["name"] for column in found.get_columns(name)},
            set(ledger_schema().tables[name].columns.keys()),
        )
        if columns != ours:
            raise Fault(
                f"The ledger at {_shown(connection.engine.url)} was made by another version of Tonewatch: its table {name} differs in "
                f"{', '.join(sorted(columns ^ ours))}, and rows that were never chained cannot be chained afterwards. Keep it under "
                "another name or point TONEWATCH_LEDGER at a new place, then type the same again: a new ledger begins."
            )
    return there
