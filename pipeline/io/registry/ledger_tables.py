"""The three tables of the ledger, and the triggers with which the database keeps them append-only."""

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Column, MetaData, Table

# PostgreSQL: one trigger a table; statement level, so that a statement without matching rows fails too.
REFUSAL = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the table %% only grows: no row of it is changed or removed', TG_TABLE_NAME; END $$
"""
POSTGRES_GUARDS = (
    "CREATE TRIGGER {table}_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)
# SQLite: INSERT OR REPLACE deletes rows without firing a DELETE trigger, so inserts are checked too.
SQLITE_GUARDS = (
    "CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{why}'); END",
    "CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{why}'); END",
    "CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
    "WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) BEGIN SELECT RAISE(ABORT, '{why}'); END",
)


@functools.cache
def ledger_schema() -> "MetaData":
    """Return the tables of releases, moves and approvals; creating them creates their triggers.

    Release documents and times are stored as text, so that their digests are equal in every database.
    """
    from sqlalchemy import Column, ForeignKey, MetaData, String, Table

    metadata = MetaData()
    identity = Column("identity", String(64), nullable=False, unique=True)
    release: Column[int] = Column("release", ForeignKey("releases.number"), nullable=False, unique=True)
    origin: Column[int] = Column("from", ForeignKey("releases.number"))
    target: Column[int] = Column("to", ForeignKey("releases.number"), nullable=False)
    who_and_why = ("actor", "reason", "time")
    Table("releases", metadata, _key("number"), identity, *_texts("document", "created"), *_digests("digest"))
    Table(
        "moves",
        metadata,
        _key("sequence"),
        origin,
        target,
        *_texts(*who_and_why),
        *_digests("gate", "releases", "approvals", "digest"),
    )
    Table("approvals", metadata, _key("sequence"), release, *_texts(*who_and_why), *_digests("digest"))
    _guard(metadata)
    return metadata


def key_column(table: "Table") -> "Column[int]":
    """Return the primary key of a table, which numbers its rows from 1."""
    (key,) = table.primary_key
    return key


def _key(name: str) -> "Column[int]":
    from sqlalchemy import Column, Integer

    return Column(name, Integer, primary_key=True, autoincrement=False)


def _texts(*names: str) -> "list[Column[str]]":
    from sqlalchemy import Column, Text

    return [Column(name, Text, nullable=False) for name in names]


def _digests(*names: str) -> "list[Column[str]]":
    from sqlalchemy import Column, String

    return [Column(name, String(64), nullable=False) for name in names]


def _guard(metadata: "MetaData") -> None:
    from sqlalchemy import DDL, event

    event.listen(metadata, "before_create", DDL(REFUSAL).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]
    for name, table in metadata.tables.items():
        same = " OR ".join(
            f"{column.name} = NEW.{column.name}"
            for column in table.columns
            if column.primary_key or column.unique
        )
        why = f"the table {name} only grows: no row of it is changed or removed"
        for dialect, guards in (("postgresql", POSTGRES_GUARDS), ("sqlite", SQLITE_GUARDS)):
            for guard in guards:
                rule = DDL(guard.format(table=name, same=same, why=why)).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]
                event.listen(table, "after_create", rule)
