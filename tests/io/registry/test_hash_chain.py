"""Edits by hand: the database rejects them, and the hash chain shows where they happened."""

import datetime
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres
from sqlalchemy.exc import DBAPIError
from tampering import beginning, carry, execute, once, tamper

from pipeline.base.errors import Fault
from pipeline.io.registry import hash_chain
from pipeline.io.registry.ledger import Ledger

TABLES = ("releases", "moves", "approvals")
CHANGED = "was changed; it does not match its digest."
CUT_OFF = "rows were cut off or replaced."


@pytest.fixture(scope="module")
def _filled(fresh_ledger: Callable[[], str]) -> str:
    """Create a ledger of four releases, two approvals and three moves."""
    url = fresh_ledger()
    ledger = Ledger(url)
    for number in (1, 2, 3, 4):
        ledger.add(
            {
                "identity": f"candidate {number}",
                "figure": 0.75,
                "decision": {"accepted": True, "figure": number},
            }
        )
    ledger.move(expected=None, target="R1", actor="ada", reason="first")
    ledger.approve("R2", actor="ada", reason="read")
    ledger.move(expected="R1", target="R2", actor="ada", reason="better")
    ledger.approve("R3", actor="bob", reason="read")
    ledger.move(expected="R2", target="R3", actor="bob", reason="better")
    assert ledger.faults() == []
    return url


@pytest.fixture
def url(_filled: str, ledger_url: str) -> str:
    """Copy the filled ledger for one test."""
    assert Ledger(ledger_url).moves() == []  # which creates its tables
    carry(_filled, ledger_url)
    return ledger_url


def contents(url: str) -> dict[str, list[Any]]:
    return {table: execute(url, f"SELECT * FROM {table} ORDER BY 1") for table in TABLES}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE {table} SET digest = 'x'", "UPDATE {table} SET digest = digest", "DELETE FROM {table}"],
)
def test_the_database_rejects_updates_and_deletes(url: str, statement: str) -> None:
    before = contents(url)

    for table in TABLES:
        with pytest.raises(
            DBAPIError, match=f"the table {table} only grows: no row of it is changed or removed"
        ):
            execute(url, statement.format(table=table))
    assert contents(url) == before


def test_the_database_rejects_other_ways_to_delete_a_row(url: str) -> None:
    before = contents(url)
    if url.startswith("sqlite"):
        again = [f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE rowid = 1" for table in TABLES]
        again += [
            "REPLACE INTO releases SELECT 9, identity, document, created, digest "
            "FROM releases WHERE number = 4"
        ]
    else:
        again = [f"TRUNCATE {table} CASCADE" for table in TABLES]
        again += ["INSERT INTO moves SELECT * FROM moves ON CONFLICT (sequence) DO UPDATE SET reason = 'x'"]

    for statement in again:
        with pytest.raises(DBAPIError, match="only grows"):
            execute(url, statement)
    assert contents(url) == before


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        ("UPDATE moves SET reason = 'because' WHERE sequence = 2",
         [f"moves: the content of row 2 {CHANGED}"]),
        ("UPDATE releases SET document = replace(document, '0.75', '1') WHERE number = 3",
         [f"releases: the content of row 3 {CHANGED}"]),
        ("UPDATE releases SET document = document || ' ' WHERE number = 4",
         [f"releases: the content of row 4 {CHANGED}"]),
        ("UPDATE approvals SET actor = 'eve' WHERE sequence = 1",
         [f"approvals: the content of row 1 {CHANGED}"]),
        ("UPDATE moves SET digest = 'x' WHERE sequence = 1",
         [f"moves: the content of row {row} {CHANGED}" for row in (1, 2)]),
        ("DELETE FROM releases WHERE number = 2", ["releases: row 2 is missing before row 3."]),
        ("DELETE FROM releases WHERE number < 4", ["releases: rows 1 to 3 are missing before row 4."]),
        ("DELETE FROM moves WHERE sequence = 1", ["moves: row 1 is missing before row 2."]),
        ("UPDATE moves SET sequence = 0 WHERE sequence = 1",
         ["moves: row 0 is out of order; the first is row 1.", "moves: row 1 is missing before row 2."]),
        ("DELETE FROM approvals WHERE sequence = 2",
         [f"approvals: the last row before move 3 is not among its 1 rows; {CUT_OFF}"]),
        ("DROP TABLE approvals",
         [f"approvals: the last row before move {n} is not among its 0 rows; {CUT_OFF}" for n in (2, 3)]),
        ("DELETE FROM releases WHERE number > 2",
         ["approvals: row 2 approves R3, which is missing from releases.",
          "moves: row 3 puts R3 in service, which is missing from releases.",
          *(f"releases: the last row before move {n} is not among its 2 rows; {CUT_OFF}"
            for n in (1, 2, 3))]),
    ],
)  # fmt: skip
def test_the_chain_shows_where_a_ledger_was_edited(url: str, statement: str, faults: list[str]) -> None:
    tamper(url, statement)

    assert Ledger(url).faults() == faults


def rewrite(url: str, table: str, number: int, column: str, value: Any) -> None:
    """Change a field and every digest from there on, as somebody does who knows the chain."""
    rows, before, key = contents(url)[table], hash_chain.GENESIS, hash_chain.KEYS[table]
    for row in rows:
        changed = {**row, column: value} if row[key] == number else row
        before = hash_chain.row_digest(before, table, changed)
        tamper(
            url,
            f'UPDATE {table} SET "{column}" = :value, digest = :digest WHERE {key} = {row[key]}',
            value=changed[column],
            digest=before,
        )


def test_a_release_rewritten_with_its_chain_contradicts_the_moves(url: str) -> None:
    rewrite(url, "releases", 2, "document", '{"identity": "candidate 2", "decision": {"accepted": false}}')

    assert Ledger(url).faults() == [
        "moves: row 2 rests on another decision than the one R2 holds now.",
        *(
            f"releases: the last row before move {move} is not among its 4 rows; {CUT_OFF}"
            for move in (1, 2, 3)
        ),
    ]


def test_rewritten_moves_must_follow_each_other(url: str) -> None:
    rewrite(url, "moves", 2, "to", 4)

    assert Ledger(url).faults() == [
        "moves: row 2 rests on another decision than the one R4 holds now.",
        "moves: row 3 is out of order; it leaves R2 while R4 was in service.",
    ]


def test_a_move_cannot_follow_fewer_releases_than_the_move_before(url: str) -> None:
    rewrite(url, "moves", 3, "releases", contents(url)["releases"][2]["digest"])

    assert Ledger(url).faults() == [
        "moves: row 3 is out of order; it follows fewer releases than the move before."
    ]


def test_the_head_shows_moves_that_were_cut_off_at_the_end(url: str) -> None:
    ledger = Ledger(url)
    head = ledger.head()
    assert re.fullmatch("[0-9a-f]{64}", head)
    assert Ledger(url).head() == head

    tamper(url, "DELETE FROM moves WHERE sequence = 3")

    assert ledger.faults() == []
    assert ledger.head() != head


def test_rows_added_during_a_check_are_not_faults(url: str) -> None:
    ledger, other = Ledger(url), Ledger(url)

    def meanwhile() -> None:
        other.add({"identity": "candidate 5"})
        other.approve("R5", actor="ada", reason="read")
        other.move(expected="R3", target="R5", actor="ada", reason="newer")

    with once("after_cursor_execute", meanwhile, beginning("SELECT releases.")):
        assert ledger.faults() == []
    assert (ledger.champion(), ledger.faults()) == ("R5", [])


def test_every_added_row_changes_the_head(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    heads = [ledger.head()]
    for step in (
        lambda: ledger.add({"identity": "one"}),
        lambda: ledger.approve("R1", actor="ada", reason="read"),
        lambda: ledger.move(expected=None, target="R1", actor="ada", reason="first"),
    ):
        step()
        heads.append(ledger.head())

    assert len(set(heads)) == 4


def test_a_ledger_copied_to_another_database_keeps_its_head(
    url: str, tmp_path: Path, postgres: Postgres
) -> None:
    url_of_copy = postgres.fresh() if url.startswith("sqlite") else f"sqlite:///{tmp_path}/copied.db"
    copy = Ledger(url_of_copy)
    assert copy.moves() == []
    carry(url, url_of_copy)

    assert copy.faults() == []
    assert copy.head() == Ledger(url).head()
    assert copy.moves() == Ledger(url).moves()


def test_times_are_utc_by_the_clock_of_the_database(url: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    for move in Ledger(url).moves():
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", move.time)
        assert abs((datetime.datetime.fromisoformat(move.time) - now).total_seconds()) < 120


def test_a_document_that_is_not_json_is_a_fault_that_names_its_release(url: str) -> None:
    tamper(url, "UPDATE releases SET document = 'no json' WHERE number = 3")

    with pytest.raises(Fault, match="R3 is damaged"):
        Ledger(url).releases()
    assert Ledger(url).faults() == [f"releases: the content of row 3 {CHANGED}"]


def test_a_ledger_with_other_columns_is_left_alone(ledger_url: str) -> None:
    if ledger_url.startswith("sqlite:///"):
        Path(ledger_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    execute(
        ledger_url,
        "CREATE TABLE releases (number INTEGER PRIMARY KEY, identity TEXT, document TEXT, created TEXT)",
    )

    with pytest.raises(
        Fault,
        match=r"another version.*table releases differs in digest.*Rename it.*TONEWATCH_LEDGER",
    ):
        Ledger(ledger_url).add({"identity": "one"})
    assert execute(ledger_url, "SELECT count(*) AS rows FROM releases") == [{"rows": 0}]
