"""The ledger on a real SQLite file and on a real PostgreSQL: what is recorded, and how it is read again."""

import hashlib
from pathlib import Path

import pytest

from pipeline.base.errors import ChampionChanged, Fault, UsageError
from pipeline.io.registry.ledger import Approval, Ledger


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    return Ledger(ledger_url)


def add(ledger: Ledger, *identities: str) -> None:
    for identity in identities:
        ledger.add({"identity": identity, "figure": 0.75})


def test_a_new_ledger_has_nothing_in_service(ledger: Ledger) -> None:
    assert (ledger.current(), ledger.previous(), ledger.moves(), ledger.releases()) == (None, None, [], [])


def test_a_release_is_named_and_dated_by_the_ledger(ledger: Ledger) -> None:
    release = ledger.add({"identity": "a" * 64, "figure": 0.75})

    assert release.name == "R1"
    assert release.created.endswith("Z")
    assert release.document == {
        "release": "R1",
        "created": release.created,
        "identity": "a" * 64,
        "figure": 0.75,
    }
    assert ledger.get("R1") == release == ledger.find("a" * 64)


def test_the_same_candidate_is_recorded_once(ledger: Ledger) -> None:
    first = ledger.add({"identity": "same", "figure": 0.75})
    again = ledger.add({"identity": "same", "figure": 0.11})

    assert again == first
    assert len(ledger.releases()) == 1


def test_a_document_comes_back_as_it_was_whatever_it_holds(ledger: Ledger) -> None:
    document = {
        "identity": "x",
        "z": 0.1 + 0.2,
        "a": [1, -0.0, 1e-300, True, None],
        "text": "ж 🙂 \0 \ud800 ' \" ; \\",
        "": {"2": 2},
    }
    ledger.add(document)

    again = dict(ledger.get("R1").document)
    assert {name: again[name] for name in document} == document
    assert list(again) == ["release", "created", *document]


def test_a_document_that_is_no_json_is_not_recorded(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="JSON"):
        ledger.add({"identity": "x", "figure": float("nan")})
    assert ledger.releases() == []


def test_moves_lead_there_and_back(ledger: Ledger) -> None:
    add(ledger, "one", "two")
    ledger.move(expected=None, target="R1", actor="ada", reason="first")
    ledger.move(expected="R1", target="R2", actor="ada", reason="better")
    assert (ledger.current(), ledger.previous()) == ("R2", "R1")

    ledger.move(expected="R2", target="R1", actor="bob", reason="complaints")
    assert (ledger.current(), ledger.previous()) == ("R1", "R2")
    assert [(m.sequence, m.origin, m.target, m.actor) for m in ledger.moves()] == [
        (1, None, "R1", "ada"),
        (2, "R1", "R2", "ada"),
        (3, "R2", "R1", "bob"),
    ]


def test_a_stale_move_names_who_was_first_and_changes_nothing(ledger: Ledger) -> None:
    add(ledger, "one", "two")
    ledger.move(expected=None, target="R1", actor="ada", reason="first light")

    with pytest.raises(
        ChampionChanged, match=r"R1 is in service now and not nothing: ada moved it at .* \(first light\)"
    ):
        ledger.move(expected=None, target="R2", actor="bob", reason="mine")
    assert len(ledger.moves()) == 1


def test_a_move_keeps_the_digest_of_the_decision_it_was_made_by(ledger: Ledger) -> None:
    ledger.add({"identity": "one", "decision": {"reasons": [], "accepted": True}})
    move = ledger.move(expected=None, target="R1", actor="ada", reason="first")

    assert move.gate == hashlib.sha256(b'{"accepted":true,"reasons":[]}').hexdigest()
    assert move.as_dict() == {
        "sequence": 1, "from": None, "to": "R1", "actor": "ada", "reason": "first", "time": move.time, "gate": move.gate,
    }  # fmt: skip
    assert ledger.moves() == [move]


def test_the_first_approval_stands(ledger: Ledger) -> None:
    add(ledger, "one", "two")
    assert ledger.approval("R2") is None

    first = ledger.approve("R2", actor="ada", reason="read it")
    again = ledger.approve("R2", actor="bob", reason="me too")

    assert first == again == ledger.approval("R2") == Approval(1, "R2", "ada", "read it", first.time)
    assert first.as_dict() == {
        "sequence": 1,
        "release": "R2",
        "actor": "ada",
        "reason": "read it",
        "time": first.time,
    }
    assert first.time.endswith("Z")
    assert ledger.approval("R1") is None


@pytest.mark.parametrize("word", ["a\0b", "\udcff"])
def test_words_that_no_database_keeps_are_refused_by_name(ledger: Ledger, word: str) -> None:
    add(ledger, "one")
    with pytest.raises(UsageError, match="The reason holds characters"):
        ledger.move(expected=None, target="R1", actor="ada", reason=word)
    with pytest.raises(UsageError, match="The actor holds characters"):
        ledger.approve("R1", actor=word, reason="fine")
    assert (ledger.moves(), ledger.approval("R1")) == ([], None)


@pytest.mark.parametrize("word", ["", "'; DROP TABLE moves; --", "%s %(actor)s :actor ?", "ж 🙂\n\t\\"])
def test_words_are_kept_to_the_letter(ledger: Ledger, word: str) -> None:
    add(ledger, "one")
    ledger.approve("R1", actor=word, reason=word)
    ledger.move(expected=None, target="R1", actor=word, reason=word)

    approval, (move,) = ledger.approval("R1"), ledger.moves()
    assert approval is not None
    assert (approval.actor, approval.reason, move.actor, move.reason) == (word, word, word, word)
    assert ledger.faults() == []


@pytest.mark.parametrize(
    "name", ["R9", "R0", "R-1", "1", "r1", "", "R1; drop table moves", "R" + "9" * 40, "R²", "R१"]
)
def test_an_unknown_release_is_refused_with_the_known_ones(ledger: Ledger, name: str) -> None:
    add(ledger, "one")
    with pytest.raises(UsageError, match=r"known: R1"):
        ledger.get(name)
    with pytest.raises(UsageError):
        ledger.move(expected=None, target=name, actor="ada", reason="-")
    with pytest.raises(UsageError):
        ledger.approve(name, actor="ada", reason="-")
    with pytest.raises(UsageError):
        ledger.approval(name)


def test_a_ledger_that_is_no_database_says_where_it_should_be(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is no database, but it is long enough to be read as one " * 9)
    with pytest.raises(Fault, match=r"ledger\.db does not answer.*TONEWATCH_LEDGER"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db").current()


@pytest.mark.parametrize(
    "address",
    ["", "nonsense", "mysql://ada:canary@host/db", "sqlite://", "postgresql://ada:canary@host", "http://x"],
)
def test_an_address_that_is_none_of_a_ledger_is_wrong_use_and_not_repeated(address: str) -> None:
    with pytest.raises(UsageError, match=r"TONEWATCH_LEDGER.*sqlite:////.*postgresql\+psycopg://") as told:
        Ledger(address).current()
    assert "canary" not in str(told.value)


def test_a_driver_that_is_not_installed_is_wrong_use_with_the_command_that_installs_it() -> None:
    with pytest.raises(UsageError, match=r"pip install 'psycopg\[binary\]'") as told:
        Ledger("postgresql+asyncpg_of_nobody://ada:canary@host/db").current()
    assert "canary" not in str(told.value)


def test_a_folder_that_cannot_be_made_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Fault, match="does not answer"):
        Ledger(f"sqlite:///{tmp_path}/file/ledger.db").current()
