"""The ledger on a real SQLite file, and many writers at once."""

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from pipeline.errors import Fault, StaleMove, WrongUse
from pipeline.registry.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/deep/er/ledger.db")


def add(ledger: Ledger, *identities: str) -> None:
    for identity in identities:
        ledger.add({"identity": identity, "figure": 0.75})


def test_a_new_ledger_has_nothing_in_service(ledger: Ledger) -> None:
    assert (ledger.current(), ledger.previous(), ledger.moves(), ledger.releases()) == (None, None, [], [])


def test_a_release_is_named_and_dated_by_the_ledger(ledger: Ledger) -> None:
    release = ledger.add({"identity": "a" * 64, "figure": 0.75})

    assert release.name == "R1"
    assert release.created.endswith("Z")
    assert release.document == {"release": "R1", "created": release.created, "identity": "a" * 64, "figure": 0.75}
    assert ledger.get("R1") == release == ledger.find("a" * 64)


def test_the_same_candidate_is_recorded_once(ledger: Ledger) -> None:
    first = ledger.add({"identity": "same", "figure": 0.75})
    again = ledger.add({"identity": "same", "figure": 0.11})

    assert again == first
    assert len(ledger.releases()) == 1


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

    with pytest.raises(StaleMove, match=r"R1 is in service now and not nothing: ada moved it at .* \(first light\)"):
        ledger.move(expected=None, target="R2", actor="bob", reason="mine")
    assert len(ledger.moves()) == 1


@pytest.mark.parametrize("name", ["R9", "R0", "R-1", "1", "r1", "", "R1; drop table moves", "R" + "9" * 40, "R²", "R१"])
def test_an_unknown_release_is_refused_with_the_known_ones(ledger: Ledger, name: str) -> None:
    add(ledger, "one")
    with pytest.raises(WrongUse, match=r"known: R1"):
        ledger.get(name)
    with pytest.raises(WrongUse):
        ledger.move(expected=None, target=name, actor="ada", reason="-")


def test_a_ledger_that_is_no_database_says_where_it_should_be(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is no database, but it is long enough to be read as one " * 9)
    with pytest.raises(Fault, match=r"ledger\.db does not answer.*TONEWATCH_LEDGER"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db").current()


PROMOTER = """
import sys
from pipeline.errors import StaleMove
from pipeline.registry.ledger import Ledger
ledger = Ledger(sys.argv[1])
ledger.add({"identity": "one"}), ledger.add({"identity": "two"})
print("ready", flush=True)
sys.stdin.readline()
for target in ["R1", "R2"] * 4:
    current = ledger.current()
    if current == target:
        continue
    try:
        move = ledger.move(expected=current, target=target, actor=sys.argv[2], reason="race")
        print(move.sequence, move.origin, flush=True)
    except StaleMove:
        print("stale", flush=True)
"""


def test_processes_that_promote_at_once_never_win_the_same_move(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    racers = [
        subprocess.Popen([sys.executable, "-c", PROMOTER, url, f"p{i}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for i in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"  # each has created the tables or found them
    outputs = [racer.communicate("go\n", timeout=60)[0].split("\n") for racer in racers]

    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    won = [line.split()[0] for lines in outputs for line in lines if line and line != "stale"]
    ledger = Ledger(url)
    assert sorted(map(int, won)) == [move.sequence for move in ledger.moves()] == list(range(1, len(won) + 1))
    assert [release.name for release in ledger.releases()] == ["R1", "R2"]


def test_of_eight_threads_with_one_expectation_exactly_one_wins(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    start, results = threading.Barrier(8), Counter[str]()

    def promote(number: int) -> None:
        mine = Ledger(url)
        release = mine.add({"identity": f"candidate {number}"})
        start.wait()
        try:
            mine.move(expected=None, target=release.name, actor=f"thread {number}", reason="race")
            results["won"] += 1
        except StaleMove:
            results["stale"] += 1

    threads = [threading.Thread(target=promote, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert results == {"won": 1, "stale": 7}
    assert len(Ledger(url).moves()) == 1
    assert len(Ledger(url).releases()) == 8
