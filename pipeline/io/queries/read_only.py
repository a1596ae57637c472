"""A database that is only read: PostgreSQL or SQLite, its rows in batches from a cursor on the server."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.base.config import SqlSource
from pipeline.base.config.workspace import user_path
from pipeline.base.errors import DataRejected, SourceUnreachable, TonewatchError, UsageError
from pipeline.base.secrets import remember_address
from pipeline.io.table_files.delimited import require_distinct

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

CONNECT_SECONDS = 10
LOCK_SECONDS = 30
# Also for a transaction that a query would begin itself.
POSTGRES_SETTINGS = (
    "default_transaction_read_only = on",
    f"lock_timeout = '{LOCK_SECONDS}s'",
    "timezone = 'UTC'",
    "datestyle = 'ISO, YMD'",
)
BATCH_ROWS = 1000
REASON_CHARACTERS = 300
EXAMPLE = "postgresql+psycopg://user:password@host/database or sqlite:////folder/texts.db"


class ReadOnlyDatabase:
    """The database of a source; each query is one transaction that can write nothing."""

    def __init__(self, source: SqlSource, root: Path) -> None:
        self._source = source
        self._place = _place(source, root)
        self.where = f"source {source.name} ({_shown(self._place)})"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the query, a batch in memory.

        Raises SourceUnreachable where the database does not respond, DataRejected where it refuses the query.
        """
        from sqlalchemy.exc import SQLAlchemyError

        with self._connected() as connection:
            try:
                result = connection.exec_driver_sql(self._source.query)
                names = list(result.keys())
                require_distinct(names, self._source.columns.mapped, self.where)
                for batch in result.partitions(BATCH_ROWS):
                    for values in batch:
                        yield dict(zip(names, values, strict=True))
            except SQLAlchemyError as error:
                raise self._failed(error) from error

    @contextlib.contextmanager
    def _connected(self) -> Iterator["Connection"]:
        from sqlalchemy.exc import SQLAlchemyError

        engine = self._engine()
        try:
            connection = engine.connect()
        except SQLAlchemyError as error:
            raise SourceUnreachable(
                f"{self.where} does not respond: {_reason(error)}. Start the database or correct the address "
                f"in {_origin(self._source)}, then type the same again."
            ) from error
        try:
            # Without parameters a % in the query is a %.
            yield connection.execution_options(
                stream_results=True, no_parameters=True, max_row_buffer=BATCH_ROWS
            )
        finally:
            connection.close()
            engine.dispose()

    def _engine(self) -> "Engine":
        from sqlalchemy import NullPool, create_engine, event
        from sqlalchemy.exc import NoSuchModuleError

        if self._place.get_backend_name() == "sqlite":
            path = Path(str(self._place.database))
            return create_engine("sqlite://", creator=lambda: _open_sqlite(path), poolclass=NullPool)
        timeout = {} if "connect_timeout" in self._place.query else {"connect_timeout": CONNECT_SECONDS}
        try:
            engine = create_engine(self._place, poolclass=NullPool, connect_args=timeout)
        except (ImportError, NoSuchModuleError) as error:
            raise UsageError(
                f"{self.where} needs a driver that is not installed. Write postgresql+psycopg://… in "
                f"{_origin(self._source)}."
            ) from error
        event.listen(engine, "connect", _make_read_only)
        return engine

    def _failed(self, error: Exception) -> TonewatchError:
        if getattr(error, "connection_invalidated", False):
            return SourceUnreachable(
                f"{self.where} broke off: {_reason(error)}. Nothing was kept; type the same again."
            )
        reason = _reason(error)
        if "read-only" in reason or "readonly" in reason:
            return DataRejected(
                f"{self.where}: `query` would write, and a source is only read ({reason}). "
                "Write one SELECT that changes nothing."
            )
        return DataRejected(
            f"{self.where} refuses the query: {reason}. Correct `query` of this source in params.yaml."
        )


def _place(source: SqlSource, root: Path) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    address = _address(source, root)
    remember_address(address)
    with contextlib.suppress(ArgumentError, ValueError):
        place = make_url(address)
        backend = place.get_backend_name()
        if backend == "postgresql" and place.database:
            return place.set(drivername="postgresql+psycopg") if place.drivername == backend else place
        if backend == "sqlite" and place.database not in (None, "", ":memory:"):
            return _sqlite_place(place, source, root)
    # The address is not shown: where it cannot be parsed, one cannot tell the password in it.
    raise UsageError(
        f"source {source.name}: {_origin(source)} is not the address of a PostgreSQL or SQLite database. "
        f"Write {EXAMPLE} there."
    )


def _sqlite_place(place: "URL", source: SqlSource, root: Path) -> "URL":
    path = root / str(place.database)
    if not path.is_file():
        raise SourceUnreachable(
            f"source {source.name}: there is no file {path}. Correct the address in {_origin(source)} "
            "(sqlite:////folder/texts.db has four slashes), or put the file there."
        )
    return place.set(database=str(path))


def _address(source: SqlSource, root: Path) -> str:
    if source.address_env is not None:
        address = os.environ.get(source.address_env, "").strip()
        if not address:
            raise SourceUnreachable(
                f"source {source.name}: the variable {source.address_env} is not set. "
                f"Type: export {source.address_env}=ADDRESS (such as {EXAMPLE})"
            )
        return address
    path = root / user_path(str(source.address_file))
    try:
        address = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SourceUnreachable(
            f"source {source.name}: {path} cannot be read ({reason}). Write the address of the database into "
            f"it (such as {EXAMPLE}), or correct `address_file` in params.yaml."
        ) from error
    return address


def _origin(source: SqlSource) -> str:
    return source.address_env or str(source.address_file)


def _shown(place: "URL") -> str:
    hidden = place.difference_update_query(["password", "sslpassword", "options"])
    return hidden.render_as_string(hide_password=True)


def _reason(error: Exception) -> str:
    """Return the first line: the next ones hold the query, which may hold anything."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
    return lines[0][:REASON_CHARACTERS].rstrip(".")


def _open_sqlite(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=LOCK_SECONDS)
    connection.text_factory = lambda value: value.decode("utf-8", "surrogateescape")
    connection.execute("PRAGMA query_only = ON")
    return connection


def _make_read_only(connection: Any, _record: object) -> None:
    from psycopg import IsolationLevel

    _read_any_time(connection)
    for setting in POSTGRES_SETTINGS:
        connection.execute(f"SET {setting}")
    connection.commit()
    connection.read_only = True
    connection.isolation_level = IsolationLevel.REPEATABLE_READ


def _read_any_time(connection: Any) -> None:
    """Read times that Python has no type for (infinity, the year 10000) as PostgreSQL writes them."""
    from psycopg import DataError
    from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader

    for name, loader in (
        ("date", DateLoader),
        ("timestamp", TimestampLoader),
        ("timestamptz", TimestamptzLoader),
    ):

        class AnyTimeLoader(loader):  # type: ignore[misc, valid-type]
            def load(self, data: Any) -> Any:
                try:
                    return super().load(data)
                except DataError:
                    return bytes(data).decode()

        connection.adapters.register_loader(name, AnyTimeLoader)
