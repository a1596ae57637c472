"""The ledger on real SQLite and PostgreSQL: what is recorded, and how it is read."""

import hashlib
from pathlib import Path

import pytest

from pipeline.base.errors import ChampionChanged, Fault, UsageError
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.ledger_entries import Approval


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    return Ledger(ledger_url)


def add(ledger: Ledger, *identities: str) -> None:
    for identity in identities:
        ledger.add({"identity": identity, "figure": 0.75})


def test_a_new_ledger_has_no_champion(ledger: Ledger) -> None:
    assert (ledger.champion(), ledger.previous(), ledger.moves(), ledger.releases()) == (None, None, [], [])


def test_a_release_is_named_and_dated_by_the_ledger(ledger: Ledger) -> None:
    release = ledger.add({"schema": 2, "identity": "a" * 64, "figure": 0.75})

    assert release.name == "R1"
    assert release.created.endswith("Z")
    written = {"schema": 2, "identity": "a" * 64, "figure": 0.75}
    assert {"release": "R1", "created": release.created, **written}.items() <= release.record.items()
    assert ledger.get("R1") == release == ledger.find("a" * 64)


def test_an_equal_candidate_is_recorded_once(ledger: Ledger) -> None:
    first = ledger.add({"identity": "same", "figure": 0.75})
    again = ledger.add({"identity": "same", "figure": 0.11})

    assert again == first
    assert len(ledger.releases()) == 1


def test_a_record_is_read_as_it_was_written(ledger: Ledger) -> None:
    document = {
        "schema": 2,
        "identity": "x",
        "z": 0.1 + 0.2,
        "a": [1, -0.0, 1e-300, True, None],
        "text": "ж 🙂 \0 \ud800 ' \" ; \\",
        "": {"2": 2},
    }
    ledger.add(document)

    again = dict(ledger.get("R1").record)
    assert {name: again[name] for name in document} == document
    assert [name for name in again if name in document] == list(document)


def test_a_record_that_is_not_json_is_not_written(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="JSON"):
        ledger.add({"identity": "x", "figure": float("nan")})
    assert ledger.releases() == []


def test_moves_set_champion_and_previous(ledger: Ledger) -> None:
    add(ledger, "one", "two")
    ledger.move(expected=None, target="R1", actor="ada", reason="first")
    ledger.move(expected="R1", target="R2", actor="ada", reason="better")
    assert (ledger.champion(), ledger.previous()) == ("R2", "R1")

    ledger.move(expected="R2", target="R1", actor="bob", reason="complaints")
    assert (ledger.champion(), ledger.previous()) == ("R1", "R2")
    assert [(m.sequence, m.origin, m.target, m.actor) for m in ledger.moves()] == [
        (1, None, "R1", "ada"),
        (2, "R1", "R2", "ada"),
        (3, "R2", "R1", "bob"),
    ]


def test_reigns_are_moves_with_the_time_that_ended_them(ledger: Ledger) -> None:
    add(ledger, "one", "two")
    assert ledger.reigns() == []
    first = ledger.move(expected=None, target="R1", actor="ada", reason="first")
    second = ledger.move(expected="R1", target="R2", actor="ada", reason="better")
    third = ledger.move(expected="R2", target="R1", actor="bob", reason="complaints")

    assert ledger.reigns() == [
        {**first.as_dict(), "until": second.time, "kind": "first"},
        {**second.as_dict(), "until": third.time, "kind": "on"},
        {**third.as_dict(), "until": None, "kind": "back"},
    ]


def test_a_version_1_record_is_read_in_todays_shape_and_stays_as_stored(ledger: Ledger) -> None:
    release = ledger.add(
        {"identity": "old", "parent": "p" * 64, "withdrawn": None, "decision": {"parts": []}}
    )

    assert release.record["teacher"] == "p" * 64
    assert release.record["decision"]["checks"] == []
    assert not {"parent", "withdrawn"} & set(release.record)
    move = ledger.move(expected=None, target="R1", actor="ada", reason="first")
    assert move.gate == hashlib.sha256(b'{"parts":[]}').hexdigest()
    assert ledger.faults() == []


def test_a_move_from_another_champion_is_rejected_and_names_the_last_move(ledger: Ledger) -> None:
    add(ledger, "one", "two")
    ledger.move(expected=None, target="R1", actor="ada", reason="first light")

    with pytest.raises(
        ChampionChanged, match=r"R1 is in service now, not nothing: ada moved it at .* \(first light\)"
    ):
        ledger.move(expected=None, target="R2", actor="bob", reason="mine")
    assert len(ledger.moves()) == 1


def test_a_move_stores_the_digest_of_the_targets_decision(ledger: Ledger) -> None:
    ledger.add({"identity": "one", "decision": {"reasons": [], "accepted": True}})
    move = ledger.move(expected=None, target="R1", actor="ada", reason="first")

    assert move.gate == hashlib.sha256(b'{"accepted":true,"reasons":[]}').hexdigest()
    assert move.as_dict() == {
        "sequence": 1,
        "from": None,
        "to": "R1",
        "actor": "ada",
        "reason": "first",
        "time": move.time,
        "gate": move.gate,
    }
    assert ledger.moves() == [move]


def test_the_first_approval_counts(ledger: Ledger) -> None:
    add(ledger, "one", "two")
    assert ledger.approval("R2") is None

    first = ledger.approve("R2", actor="ada", reason="read it")
    again = ledger.approve("R2", actor="bob", reason="me too")

    assert first == again == ledger.approval("R2") == Approval(1, "R2", "ada", "read it", first.time)
    assert first.time.endswith("Z")
    assert ledger.approval("R1") is None


@pytest.mark.parametrize("text", ["a\0b", "\udcff"])
def test_text_that_no_database_stores_is_rejected(ledger: Ledger, text: str) -> None:
    add(ledger, "one")
    with pytest.raises(UsageError, match="The reason contains characters"):
        ledger.move(expected=None, target="R1", actor="ada", reason=text)
    with pytest.raises(UsageError, match="The actor contains characters"):
        ledger.approve("R1", actor=text, reason="fine")
    assert (ledger.moves(), ledger.approval("R1")) == ([], None)


@pytest.mark.parametrize("text", ["", "'; DROP TABLE moves; --", "%s %(actor)s :actor ?", "ж 🙂\n\t\\"])
def test_text_is_stored_exactly(ledger: Ledger, text: str) -> None:
    add(ledger, "one")
    ledger.approve("R1", actor=text, reason=text)
    ledger.move(expected=None, target="R1", actor=text, reason=text)

    approval, (move,) = ledger.approval("R1"), ledger.moves()
    assert approval is not None
    assert (approval.actor, approval.reason, move.actor, move.reason) == (text, text, text, text)
    assert ledger.faults() == []


@pytest.mark.parametrize(
    "name", ["R9", "R0", "R-1", "1", "r1", "", "R1; drop table moves", "R" + "9" * 40, "R²", "R१"]
)
def test_an_unknown_release_is_rejected_with_the_known_ones(ledger: Ledger, name: str) -> None:
    add(ledger, "one")
    with pytest.raises(UsageError, match=r"known: R1"):
        ledger.get(name)
    with pytest.raises(UsageError):
        ledger.move(expected=None, target=name, actor="ada", reason="-")
    with pytest.raises(UsageError):
        ledger.approve(name, actor="ada", reason="-")
    with pytest.raises(UsageError):
        ledger.approval(name)


def test_a_file_that_is_no_database_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is no database, but it is long enough to be read as one " * 9)
    with pytest.raises(Fault, match=r"ledger\.db failed.*TONEWATCH_LEDGER"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db").champion()


@pytest.mark.parametrize(
    "address",
    ["", "nonsense", "mysql://ada:canary@host/db", "sqlite://", "postgresql://ada:canary@host", "http://x"],
)
def test_an_unsupported_address_is_rejected_and_not_shown(address: str) -> None:
    with pytest.raises(UsageError, match=r"TONEWATCH_LEDGER.*sqlite:////.*postgresql\+psycopg://") as error:
        Ledger(address).champion()
    assert "canary" not in str(error.value)


def test_a_missing_driver_is_reported_with_its_install_command() -> None:
    with pytest.raises(UsageError, match=r"pip install 'psycopg\[binary\]'") as error:
        Ledger("postgresql+asyncpg_of_nobody://ada:canary@host/db").champion()
    assert "canary" not in str(error.value)


def test_a_folder_that_cannot_be_created_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Fault, match="failed"):
        Ledger(f"sqlite:///{tmp_path}/file/ledger.db").champion()
