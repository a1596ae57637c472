"""The three tables of the ledger, and the guards by which the database itself keeps them append-only."""

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Column, MetaData, Table

# PostgreSQL: one guard a table, before the statement, so that it holds for a statement that meets no row as well.
REFUSAL = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the table %% only grows: no row of it is changed or removed', TG_TABLE_NAME; END $$
"""
POSTGRES_GUARDS = (
    "CREATE TRIGGER {table}_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)
# SQLite: INSERT OR REPLACE removes rows without asking the guard against DELETE, so what is added is looked at too.
SQLITE_GUARDS = (
    "CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{why}'); END",
    "CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{why}'); END",
    "CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
    "BEGIN SELECT RAISE(ABORT, '{why}'); END",
)


@functools.cache
def schema() -> "MetaData":
    """Give every judged candidate, every move, and every approval; creating them creates their guards.

    A release's document and every time are kept as text, so that a digest of them is the same in any database.
    """
    from sqlalchemy import DDL, Column, ForeignKey, Integer, MetaData, String, Table, Text, event

    metadata = MetaData()
    Table(
        "releases",
        metadata,
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("identity", String(64), nullable=False, unique=True),
        Column("document", Text, nullable=False),
        Column("created", Text, nullable=False),
        _digest("digest"),
    )
    Table(
        "moves",
        metadata,
        Column("sequence", Integer, primary_key=True, autoincrement=False),
        Column("from", ForeignKey("releases.number")),
        Column("to", ForeignKey("releases.number"), nullable=False),
        *(Column(name, Text, nullable=False) for name in ("actor", "reason", "time")),
        *(_digest(name) for name in ("gate", "releases", "approvals", "digest")),
    )
    Table(
        "approvals",
        metadata,
        Column("sequence", Integer, primary_key=True, autoincrement=False),
        Column("release", ForeignKey("releases.number"), nullable=False, unique=True),
        *(Column(name, Text, nullable=False) for name in ("actor", "reason", "time")),
        _digest("digest"),
    )
    event.listen(metadata, "before_create", DDL(REFUSAL).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]
    for table in metadata.tables.values():
        for dialect, guards in (("postgresql", POSTGRES_GUARDS), ("sqlite", SQLITE_GUARDS)):
            for guard in guards:
                event.listen(table, "after_create", DDL(_guard(guard, table)).execute_if(dialect=dialect))  # type: ignore[no-untyped-call]
    return metadata


def key_of(table: "Table") -> "Column[int]":
    """Give the column that counts a table's rows from 1."""
    (key,) = table.primary_key
    return key


def _digest(name: str) -> "Column[str]":
    from sqlalchemy import Column, String

    return Column(name, String(64), nullable=False)


def _guard(guard: str, table: "Table") -> str:
    unique = [column.name for column in table.columns if column.primary_key or column.unique]
    same = " OR ".join(f"{name} = NEW.{name}" for name in unique)
    return guard.format(table=table.name, same=same, why=f"the table {table.name} only grows: no row of it is changed or removed")
