"""What somebody with the password of the database can do to a ledger: raw SQL past every trigger."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, event, text


def execute(url: str, *statements: str, **values: Any) -> list[Mapping[str, Any]]:
    """Run raw SQL in one transaction and return the rows of the last statement."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            result = connection.execute(text(statement), values)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []


def tamper(url: str, *statements: str, **values: Any) -> None:
    """Drop the triggers, then run raw SQL without foreign keys."""
    if url.startswith("sqlite"):
        triggers = execute(url, "SELECT name FROM sqlite_master WHERE type = 'trigger'")
        execute(url, *(f"DROP TRIGGER {trigger['name']}" for trigger in triggers), *statements, **values)
    else:
        execute(
            url,
            "DROP FUNCTION IF EXISTS refuse_change() CASCADE",
            "SET session_replication_role = replica",
            *statements,
            **values,
        )


def carry(source: str, target: str) -> None:
    """Copy every row of one ledger to another with empty tables."""
    with (
        create_engine(source, poolclass=NullPool).connect() as old,
        create_engine(target, poolclass=NullPool).begin() as new,
    ):
        for table in ("releases", "moves", "approvals"):
            for row in old.execute(text(f"SELECT * FROM {table} ORDER BY 1")).mappings().all():
                columns, values = (
                    ", ".join(f'"{name}"' for name in row),
                    ", ".join(f":{name}" for name in row),
                )
                new.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), dict(row))


@contextlib.contextmanager
def once(name: str, act: Callable[[], object], when: Callable[..., bool] = lambda *_: True) -> Iterator[None]:
    """Act once, at the next SQLAlchemy event of this name that meets the condition."""
    done: list[bool] = []

    def listen(*arguments: object) -> None:
        if not done and when(*arguments):
            done.append(True)
            act()

    event.listen(Engine, name, listen)
    try:
        yield
    finally:
        event.remove(Engine, name, listen)
    assert done


def beginning(statement: str) -> Callable[..., bool]:
    """Return a condition for statements that begin with this."""
    return lambda _connection, _cursor, sql, *_rest: sql.startswith(statement)
