"""The database under the ledger: SQLite by default, any SQLAlchemy URL otherwise."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData

BUSY_SECONDS = 30
CREATION_LOCK = 7_267_001  # any number that is ours, for PostgreSQL's advisory lock


def open_engine(url: str) -> "Engine":
    """Open the ledger's database, with its tables made if they are not there; safe for many processes at once."""
    from filelock import FileLock
    from sqlalchemy import create_engine, event, make_url

    place = make_url(url)
    if place.get_backend_name() != "sqlite":
        engine = create_engine(url, pool_pre_ping=True)
        _create(engine)
        return engine
    assert place.database, "a ledger in memory would forget"
    path = Path(place.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _settle_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    # Turning a new file to WAL needs it alone, and SQLite does not wait for that by itself.
    with FileLock(f"{path}.lock"):
        _create(engine)
    return engine


def _settle_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late to take the write lock first
    for setting in (f"busy_timeout={BUSY_SECONDS * 1000}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: "Connection") -> None:
    # A writer that first reads and then writes would fail at once where another wrote in between; taking the lock first waits.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes", True) else "BEGIN")


def _create(engine: "Engine") -> None:
    from sqlalchemy import inspect, text
    from sqlalchemy.schema import CreateTable

    if set(schema().tables) <= set(inspect(engine).get_table_names()):
        return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # IF NOT EXISTS alone is a race there: two creators can both find nothing.
            connection.execute(text(f"SELECT pg_advisory_xact_lock({CREATION_LOCK})"))
        for table in schema().sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))


@functools.cache
def schema() -> "MetaData":
    """Give the two tables: every judged candidate, and every move."""
    from sqlalchemy import JSON, Column, DateTime, ForeignKey, Integer, MetaData, String, Table, Text, func

    metadata = MetaData()
    Table(
        "releases",
        metadata,
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("identity", String(64), nullable=False, unique=True),
        Column("document", JSON, nullable=False),
        Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    Table(
        "moves",
        metadata,
        Column("sequence", Integer, primary_key=True, autoincrement=False),
        Column("from", ForeignKey("releases.number")),
        Column("to", ForeignKey("releases.number"), nullable=False),
        Column("actor", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    return metadata
