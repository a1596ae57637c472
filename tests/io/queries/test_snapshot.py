"""A query is read in real databases: only read, in batches, up to its watermark, and always the same way."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from postgres import Postgres
from pydantic import ValidationError
from sqlalchemy import NullPool, create_engine

from pipeline.base import logs
from pipeline.base.config import CollectConfig, SqlSource, Workspace
from pipeline.base.errors import DataRejected, SourceUnreachable, UsageError
from pipeline.base.records import TextRecord, Unreadable
from pipeline.io.queries.read_only import ReadOnlyDatabase
from pipeline.io.queries.snapshot import Snapshot, take_snapshot
from pipeline.io.sources.source_reader import open_sources
from pipeline.stages.collect import collect

NOW = datetime(2026, 9, 14, tzinfo=UTC)
COLUMNS = dict.fromkeys(("rating", "id", "group", "time", "split")) | {"text": "text", "label": "label"}
ROWS = [
    ("so good, 100 %", "positive", "2026-09-12 08:00:00"),
    ("so bad", "negative", "2026-09-13 08:00:00"),
]
TABLE = "CREATE TABLE posts (text TEXT, label TEXT, made {time})"


def declare(**changes: Any) -> dict[str, Any]:
    row = {"kind": "sql", "name": "posts", "columns": COLUMNS, "address_env": "POSTS_DB"}
    row |= {"query": "SELECT text, label, made FROM posts", "group_pattern": None, "ratings": None}
    return row | {"label_map": {}, "lang": "en", "licence": "own"} | changes


def read(root: Path, *, max_bytes: int = 1_000_000, earlier: str = "", **changes: Any) -> Snapshot:
    source = SqlSource.model_validate(declare(**changes))
    return take_snapshot(source, root=root, max_bytes=max_bytes, earlier=earlier, now=NOW)


Execute = Callable[..., None]


@pytest.fixture(params=["sqlite", "postgresql"])
def execute(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Execute:
    """Return a function that changes a database with the table of posts, whose address is in POSTS_DB."""
    url = f"sqlite:///{tmp_path}/posts.db"
    kind = "TEXT"
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url, kind = postgres.fresh(), "TIMESTAMPTZ"
    engine = create_engine(url, poolclass=NullPool)

    def _execute(statement: str, *rows: tuple[Any, ...]) -> None:
        with engine.begin() as connection:
            for row in rows or [()]:
                mark = "?" if request.param == "sqlite" else "%s"
                connection.exec_driver_sql(statement.replace("?", mark), row or None)

    _execute(TABLE.format(time=kind))
    _execute("INSERT INTO posts VALUES (?, ?, ?)", *ROWS)
    monkeypatch.setenv("POSTS_DB", url)
    return _execute


def texts(snapshot: Snapshot) -> list[str]:
    return [row.reason if isinstance(row, Unreadable) else row["text"] for row in snapshot.rows()]


def test_rows_of_a_query_become_records_and_the_receipt_names_their_watermark(
    execute: Execute, tmp_path: Path
) -> None:
    table = declare(watermark="made", columns=COLUMNS | {"time": "made"})
    cfg = CollectConfig.model_validate(
        {"max_megabytes": 1, "labels": ["negative", "positive"], "sources": [table]}
    )
    reader = open_sources(Workspace.of(tmp_path, {}), cfg)
    before = reader.identity(cfg.sources[0])
    execute("INSERT INTO posts VALUES (?, ?, ?)", ("later", "positive", "2026-09-13 09:00:00"))

    receipt = collect(reader, tmp_path / "raw", mask=True)
    records = [one for one in reader.records(cfg.sources[0]) if isinstance(one, TextRecord)]

    assert receipt.counts["out"] == 2, "identity and collect of a run read the same rows"
    assert receipt.notes["source/posts"] == before
    assert receipt.notes["watermark/posts"] == "2026-09-13T08:00:00.000000Z"
    assert [one.text for one in records] == ["so good, 100 %", "so bad"]
    assert open_sources(Workspace.of(tmp_path, {}), cfg).identity(cfg.sources[0]) != before


def test_the_same_rows_in_another_order_are_the_same_version(execute: Execute, tmp_path: Path) -> None:
    query = "SELECT text, label, made FROM posts ORDER BY text"
    ascending, descending = read(tmp_path, query=query), read(tmp_path, query=f"{query} DESC")

    assert texts(ascending) == texts(descending)[::-1]
    assert ascending.identity == descending.identity
    execute("INSERT INTO posts SELECT * FROM posts")
    assert read(tmp_path, query=query).identity != ascending.identity


def test_a_watermark_in_the_future_is_said_and_its_rows_wait(execute: Execute, tmp_path: Path) -> None:
    before = read(tmp_path, watermark="made")
    execute("INSERT INTO posts VALUES (?, ?, ?)", ("to come", "positive", "2031-01-01 00:00:00"))

    after = read(tmp_path, watermark="made")

    assert (after.identity, after.watermark) == (before.identity, "2026-09-13T08:00:00.000000Z")
    assert "1 rows lie in the future by `watermark: made` (up to 2031-01-01" in after.remark
    assert len(texts(read(tmp_path))) == 3
    execute("DELETE FROM posts WHERE text <> 'to come'")
    with pytest.raises(DataRejected, match=r"returns no rows. 1 rows lie in the future"):
        read(tmp_path, watermark="made")


def test_only_rows_above_the_earlier_watermark_are_new(execute: Execute, tmp_path: Path) -> None:
    logs.configure(json=False, debug=False)
    with structlog.testing.capture_logs() as events:
        read(tmp_path, watermark="made", earlier="2026-09-12T08:00:00.000000Z")

    assert [(one["new"], one["rows"]) for one in events if "new" in one] == [(1, 2)]


def test_a_row_without_a_watermark_is_unreadable_and_costs_no_other(execute: Execute, tmp_path: Path) -> None:
    execute("INSERT INTO posts VALUES (?, ?, NULL)", ("when?", "positive"))

    assert texts(read(tmp_path, watermark="made")) == ["so good, 100 %", "so bad", "the watermark is empty"]


def test_numbers_are_a_watermark_too(execute: Execute, tmp_path: Path) -> None:
    query = "SELECT text, label, length(text) AS size FROM posts"

    assert read(tmp_path, query=query, watermark="size").watermark == "14"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query": "SELECT text, tone FROM posts"}, "refuses the query: .*tone.*Correct `query`"),
        ({"query": "SELECT * FROM posts WHERE text = '-'"}, "`query` returns no rows"),
        ({"query": "SELECT text, text FROM posts"}, "repeats a column name: 'text'"),
        ({"watermark": "seen"}, "returns no column 'seen' .found: 'text', 'label', 'made'.*`watermark`"),
        ({"max_bytes": 20}, "more than 20 bytes.*collect.max_megabytes"),
    ],
)
def test_a_query_that_does_not_fit_is_refused_with_what_to_type(
    execute: Execute, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataRejected, match=message):
        read(tmp_path, **changes)


def test_no_query_writes(execute: Execute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = SqlSource.model_validate(declare())
    for query in (
        "DELETE FROM posts",
        "WITH a AS (SELECT 1) INSERT INTO posts SELECT 'x', 'y', NULL FROM a",
        "SELECT 1; DELETE FROM posts",
        "SELECT 1; COMMIT; DELETE FROM posts",
    ):
        # As if what reads the statement had been outwitted.
        database = ReadOnlyDatabase(source.model_copy(update={"query": query}), tmp_path)
        with pytest.raises(DataRejected):
            list(database.rows())

    assert len(texts(read(tmp_path))) == 2


def test_many_rows_come_in_batches(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTS_DB", postgres.fresh())
    query = "SELECT 'text ' || n AS text, 1 / (2500 - n) AS label FROM generate_series(1, 3000000) AS n"
    rows = ReadOnlyDatabase(SqlSource.model_validate(declare(query=query)), Path()).rows()

    assert [next(rows)["text"] for _ in range(1500)][-1] == "text 1500"
    with pytest.raises(DataRejected, match="division by zero"):
        list(rows)


def test_times_that_python_does_not_know_cost_no_row(
    postgres: Postgres, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("POSTS_DB", postgres.fresh())
    query = (
        "SELECT t::text AS text, 'a' AS label, t FROM unnest(ARRAY['infinity', '12026-01-01']::date[]) AS t"
    )

    assert [row["t"] for row in read(tmp_path, query=query).rows() if isinstance(row, dict)] == [
        "infinity",
        "12026-01-01",
    ]


def test_text_that_is_not_utf_8_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sqlite3.connect(tmp_path / "p.db") as connection:
        connection.execute("CREATE TABLE posts (text, label, made)")
        connection.execute("INSERT INTO posts VALUES (CAST(x'61ff' AS TEXT), 'a', 1), ('b', 'a', 2)")
    connection.close()
    monkeypatch.setenv("POSTS_DB", "sqlite:///p.db")

    assert texts(read(tmp_path)) == [
        "the cell is not UTF-8 (byte 0xFF is no character in this encoding)",
        "b",
    ]


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("", SourceUnreachable, "POSTS_DB is not set. Type: export POSTS_DB="),
        ("hunter22 is no address", UsageError, "POSTS_DB is not the address of a PostgreSQL or SQLite"),
        ("mysql://u:hunter22@host/db", UsageError, "not the address of a PostgreSQL or SQLite"),
        ("sqlite:///nothing.db", SourceUnreachable, "there is no file .*nothing.db"),
        ("postgresql://u:hunter22@127.0.0.1:1/db", SourceUnreachable, "does not respond: .*POSTS_DB"),
    ],
)
def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, error: type[Exception], message: str
) -> None:
    monkeypatch.setenv("POSTS_DB", address)

    with pytest.raises(error, match=message) as caught:
        read(tmp_path)

    assert "hunter22" not in str(caught.value)


def test_the_address_may_stand_in_a_file(execute: Execute, tmp_path: Path, monkeypatch: Any) -> None:
    import os

    (tmp_path / "address").write_text(os.environ["POSTS_DB"] + "\n", "utf-8")
    monkeypatch.delenv("POSTS_DB")

    assert len(texts(read(tmp_path, address_env=None, address_file="address"))) == 2
    with pytest.raises(SourceUnreachable, match=r"cannot be read \(No such file"):
        read(tmp_path, address_env=None, address_file="elsewhere")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query": "DROP TABLE posts"}, "begins with 'DROP'. Write one SELECT"),
        ({"query": "SELECT 1; SELECT 2"}, "more than one statement"),
        ({"address_env": None}, "`address_env: NAME`"),
        ({"address_file": "a"}, "name the place of the address once"),
        ({"address": "postgresql://u:p@h/d"}, "address"),
        ({"address_env": "postgresql://u:p@h/d"}, "address_env"),
    ],
)
def test_a_section_that_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SqlSource.model_validate(declare(**changes))
