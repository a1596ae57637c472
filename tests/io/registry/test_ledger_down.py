"""A database that fails before, during and after a move: a clear error, and the ledger works again."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from postgres import Postgres
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from tampering import beginning, once

from pipeline.base.errors import Unreachable
from pipeline.io.registry import database
from pipeline.io.registry.ledger import Ledger

WHO = {"actor": "ada", "reason": "better"}
UNREACHABLE = r"^The ledger at .* failed: .*\. Check TONEWATCH_LEDGER, then repeat the command\.$"


@pytest.fixture
def url(postgres: Postgres) -> str:
    """Create a ledger on PostgreSQL with R1 as champion and R2 recorded."""
    url = postgres.fresh()
    fill(Ledger(url))
    return url


def fill(ledger: Ledger) -> None:
    ledger.add({"identity": "one"})
    ledger.add({"identity": "two"})
    ledger.move(expected=None, target="R1", actor="ada", reason="first")


def test_a_move_while_the_database_is_down_changes_nothing(postgres: Postgres, url: str) -> None:
    ledger = Ledger(url)
    assert ledger.champion() == "R1"

    postgres.stop()
    try:
        for act in (
            ledger.champion,
            ledger.faults,
            lambda: ledger.move(expected="R1", target="R2", **WHO),
            Ledger(url).champion,
        ):
            with pytest.raises(Unreachable, match=UNREACHABLE) as error:
                act()
            assert error.value.exit_code == 3
    finally:
        postgres.start()

    assert ledger.champion() == "R1"
    assert ledger.move(expected="R1", target="R2", **WHO).sequence == 2
    assert ledger.faults() == []


@pytest.mark.parametrize(
    ("moment", "when"),
    [
        ("before_cursor_execute", beginning("SELECT pg_advisory_xact_lock")),
        ("before_cursor_execute", beginning("INSERT INTO moves")),
        ("after_cursor_execute", beginning("INSERT INTO moves")),
        ("commit", lambda connection: bool(connection.get_execution_options()["writes"])),
    ],
)
def test_a_database_that_fails_during_a_move_leaves_it_undone(
    postgres: Postgres, url: str, moment: str, when: Callable[..., bool]
) -> None:
    ledger = Ledger(url)

    try:
        with once(moment, postgres.stop, when), pytest.raises(Unreachable, match=UNREACHABLE):
            ledger.move(expected="R1", target="R2", **WHO)
    finally:
        postgres.start()

    assert (ledger.champion(), len(ledger.moves()), ledger.faults()) == ("R1", 1, [])
    assert ledger.move(expected="R1", target="R2", **WHO).sequence == 2


def test_a_confirmed_move_survives_a_restart_of_the_database(postgres: Postgres, url: str) -> None:
    ledger = Ledger(url)
    move = ledger.move(expected="R1", target="R2", **WHO)

    postgres.stop()
    postgres.start()

    assert ledger.moves()[-1] == move
    assert ledger.faults() == []


def test_a_writer_that_blocks_the_ledger_is_not_waited_for_for_ever(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 1)
    fill(Ledger(ledger_url))
    other = Ledger(ledger_url)
    assert other.champion() == "R1"

    holder = create_engine(ledger_url, poolclass=NullPool)
    with holder.connect() as connection:
        if ledger_url.startswith("sqlite"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({database.WRITE_LOCK})"))
        began = time.monotonic()
        with pytest.raises(Unreachable, match=UNREACHABLE):
            other.move(expected="R1", target="R2", **WHO)
        assert 0.5 < time.monotonic() - began < 10
        connection.rollback()

    assert other.move(expected="R1", target="R2", **WHO).sequence == 2


def test_a_deadlock_with_another_session_is_reported_as_unreachable(url: str) -> None:
    ledger, locked, waits = Ledger(url), threading.Event(), threading.Event()

    def cross() -> None:
        with create_engine(url, poolclass=NullPool).begin() as connection:
            # So the server chooses the ledger's session to abort.
            connection.execute(text("SET LOCAL deadlock_timeout = '20s'"))
            connection.execute(text("LOCK TABLE moves IN ACCESS EXCLUSIVE MODE"))
            locked.set()
            assert waits.wait(20)
            connection.execute(text(f"SELECT pg_advisory_xact_lock({database.WRITE_LOCK})"))

    thread = threading.Thread(target=cross)
    meet = lambda: (thread.start(), locked.wait(20), waits.set())  # noqa: E731
    with (
        once("after_cursor_execute", meet, beginning("SELECT pg_advisory_xact_lock")),
        pytest.raises(Unreachable, match="deadlock detected"),
    ):
        ledger.move(expected="R1", target="R2", **WHO)
    thread.join(20)

    assert ledger.move(expected="R1", target="R2", **WHO).sequence == 2


def test_a_serializable_default_causes_no_serialization_failure(postgres: Postgres) -> None:
    url = postgres.fresh("default_transaction_isolation=serializable")
    fill(Ledger(url))
    ledgers, start, errors = [Ledger(url) for _ in range(8)], threading.Barrier(8), list[Exception]()

    def add(number: int) -> None:
        start.wait(20)
        try:
            ledgers[number].add({"identity": f"candidate {number}"})
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert errors == []
    assert [release.name for release in Ledger(url).releases()] == [f"R{number}" for number in range(1, 11)]
    assert Ledger(url).faults() == []


@pytest.mark.parametrize(("seconds", "query"), [(2, ""), (60, "&connect_timeout=2")])
def test_a_silent_server_is_given_up_after_a_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, query: str
) -> None:
    monkeypatch.setattr(database, "CONNECT_SECONDS", seconds)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / ".s.PGSQL.5432"))
        silent.listen()
        with pytest.raises(Unreachable, match="timeout expired"):
            Ledger(f"postgresql+psycopg://ada@/db?host={tmp_path}{query}").champion()


def test_a_full_disk_is_a_fault_and_nothing_is_recorded(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(url)
    fill(ledger)

    def fill_up(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite then fails as on a full disk

    event.listen(Engine, "begin", fill_up)
    try:
        with pytest.raises(Unreachable, match="database or disk is full"):
            ledger.add({"identity": "three", "bulk": "x" * 100_000})
    finally:
        event.remove(Engine, "begin", fill_up)

    assert len(Ledger(url).releases()) == 2


def test_a_password_in_the_address_is_never_shown(tmp_path: Path) -> None:
    for address in (
        f"postgresql+psycopg://ada:canary@/db?host={tmp_path}",
        f"postgresql+psycopg://ada@/db?host={tmp_path}&password=canary",
    ):
        with pytest.raises(Unreachable, match=UNREACHABLE) as error:
            Ledger(address).champion()
        assert "canary" not in str(error.value)


def test_a_replaced_file_is_detected(tmp_path: Path) -> None:
    ledger, restored = Ledger(f"sqlite:///{tmp_path}/ledger.db"), Ledger(f"sqlite:///{tmp_path}/backup.db")
    fill(ledger)
    fill(restored)
    restored.move(expected="R1", target="R2", **WHO)
    assert ledger.champion() == "R1"
    # Closing the connection writes the log back, as before a backup is copied.
    restored._database._engine.dispose()  # type: ignore[union-attr]

    (tmp_path / "ledger.db").rename(tmp_path / "aside.db")
    with pytest.raises(Unreachable, match="its file was removed"):
        ledger.champion()
    assert not (tmp_path / "ledger.db").exists()
    for rest in ("-wal", "-shm"):
        (tmp_path / f"ledger.db{rest}").unlink(missing_ok=True)
    (tmp_path / "backup.db").rename(tmp_path / "ledger.db")

    assert ledger.champion() == "R2"
