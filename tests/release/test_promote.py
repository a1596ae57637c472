"""Promotion and rollback on a real ledger and a real MLflow."""

import subprocess
import sys
from dataclasses import replace

import pytest
from lineage import LINEAGE
from sqlalchemy import Engine, event
from world import DOWN, WHO, in_service, judged, serve

from pipeline.base.config import Workspace
from pipeline.base.errors import (
    CandidateRejected,
    ChampionChanged,
    DigestMismatch,
    NothingToRollBack,
    UsageError,
)
from pipeline.io import files
from pipeline.io.locks import workspace_lock
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.release import promote, reconcile, reports


def test_a_first_candidate_becomes_a_complete_release(places: Workspace) -> None:
    document = serve(places, wrong=10)

    assert in_service(places) == ("R1", {"champion": "1"})
    assert set(document) >= LINEAGE
    assert {
        "identity",
        "params",
        "lock",
        "evaluation",
        "baselines",
        "intervals",
        "menu",
        "variant",
        "checks",
        "thresholds",
    } <= set(document)
    assert document["metrics"]["macro_f1"] == pytest.approx(0.9, abs=0.01)
    assert set(document["metrics"]) == {"macro_f1", "accuracy", "per_source"}
    assert document["decision"]["reasons"][0].startswith("The lower end of the interval of macro F1 is 0.8")
    assert document["comparison"] is None
    files.verify_folder(places.releases / "R1", document["files"])
    assert set(document["files"]) == {
        "model.onnx",
        "tokenizer.json",
        "model.json",
        "golden.json",
        "evaluation.json",
    }
    shown = reports.show_release(places, None)
    assert (shown["release"], shown["in_service"], len(shown["moves"])) == ("R1", True, 1)


def test_an_equal_candidate_is_looked_up_and_nothing_moves(places: Workspace) -> None:
    first = serve(places, wrong=10)
    again = judged(places, wrong=10)

    assert again == first
    assert promote.release(places, again, **WHO) is None
    assert [move.target for move in Ledger(places.ledger).moves()] == ["R1"]
    assert first["model_version"] == again["model_version"] == "1"


@pytest.mark.served(10)
def test_a_better_candidate_is_promoted_and_two_rollbacks_return(places: Workspace) -> None:
    better = serve(places, wrong=20)
    assert better["comparison"]["macro_f1"]["difference"] == pytest.approx(0.05, abs=0.01)
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})

    moved = promote.rollback(places, to=None, actor="bob", reason="complaints")
    assert moved.as_dict()["pending"] == []
    assert in_service(places) == ("R1", {"champion": "1", "previous": "2"})

    promote.rollback(places, to=None, actor="bob", reason="they were wrong")
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})
    moves = [(move.origin, move.target) for move in Ledger(places.ledger).moves()]
    assert moves == [(None, "R1"), ("R1", "R2"), ("R2", "R1"), ("R1", "R2")]


@pytest.mark.served(20)
def test_a_worse_candidate_is_rejected_and_can_never_be_promoted(places: Workspace) -> None:
    worse = judged(places, wrong=8)

    with pytest.raises(
        CandidateRejected, match=r"R2 was rejected: On the same 300 texts macro F1 changes by"
    ):
        promote.release(places, worse, **WHO)
    with pytest.raises(CandidateRejected):
        promote.promote(places, "R2", **WHO)
    assert in_service(places) == ("R1", {"champion": "1"})
    assert reports.show_release(places, "R2")["decision"]["accepted"] is False
    assert not (places.releases / "R2").exists()


@pytest.mark.served(10, 20)
def test_a_rolled_back_candidate_is_promoted_only_by_name(places: Workspace) -> None:
    promote.rollback(places, to="R1", actor="bob", reason="complaints")

    with pytest.raises(
        CandidateRejected, match=r"bob replaced it by R1 at .* \(complaints\).*release promote R2"
    ):
        promote.release(places, judged(places, wrong=20), **WHO)
    fresh = judged(places, wrong=20, data_version="v2")  # the same files under another identity
    assert fresh["decision"]["reasons"][0].startswith(
        "This very candidate is R2, and bob rolled it back to R1"
    )
    assert [check["name"] for check in fresh["decision"]["checks"] if not check["passed"]] == ["rollback"]

    promote.promote(places, "R2", **WHO)
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})


@pytest.mark.served(10)
def test_a_decision_about_another_champion_promotes_nothing(places: Workspace) -> None:
    slow = judged(places, wrong=20)
    serve(places, wrong=40)

    with pytest.raises(CandidateRejected, match="R2 was judged against R1, but the champion is R3"):
        promote.release(places, slow, **WHO)
    assert in_service(places)[0] == "R3"


def test_a_damaged_copy_is_fetched_again_before_it_serves(places: Workspace) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)
    copy = places.releases / "R1" / "model.onnx"
    good = copy.read_bytes()
    copy.write_bytes(good[:-1] + b"!")

    promote.rollback(places, to=None, **WHO)
    assert copy.read_bytes() == good


def test_a_release_whose_files_are_lost_everywhere_moves_nothing(places: Workspace) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)
    content = (places.releases / "R1" / "model.onnx").read_bytes()
    for lost in (places.root / ".tonewatch").rglob("model.onnx"):
        if lost.read_bytes() == content:
            lost.unlink()

    with pytest.raises(
        DigestMismatch, match=r"(?s)R1 cannot be used.*model\.onnx is missing.*Nothing was changed"
    ):
        promote.rollback(places, to=None, **WHO)
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})


@pytest.mark.served(10, 20)
def test_a_rollback_needs_no_registry_and_aliases_follow_later(places: Workspace) -> None:
    moved = promote.rollback(replace(places, mlflow=DOWN), to=None, **WHO)
    assert len(moved.pending) == 1
    assert "127.0.0.1:9 does not respond" in moved.pending[0]
    assert in_service(places) == ("R1", {"champion": "2", "previous": "1"})

    assert reconcile.finish_interrupted_move(places) == [
        "The aliases in MLflow change from champion = version 2, previous = version 1 "
        "to champion = version 1, previous = version 2."
    ]
    assert reconcile.finish_interrupted_move(places) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.base.config import Workspace
from pipeline.io.registry import ledger
from pipeline.release import promote as releases
places = Workspace(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
move = ledger.Ledger.move
def die_after(*args, **kwargs):
    move(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
ledger.Ledger.move = die_after
releases.rollback(places, to=None, actor="bob", reason="killed on the way")
"""


@pytest.mark.served(10, 20)
def test_a_move_killed_after_the_ledger_is_finished_by_the_next_command(places: Workspace) -> None:
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(places.root), places.mlflow, places.ledger],
        timeout=60,
        check=False,
    )
    assert died.returncode == -9
    assert in_service(places) == ("R1", {"champion": "2", "previous": "1"})

    with pytest.raises(UsageError, match="R1 is the champion already"):
        promote.promote(places, "R1", **WHO)
    assert in_service(places) == ("R1", {"champion": "1", "previous": "2"})


def test_a_release_task_finishes_an_interrupted_move(places: Workspace) -> None:
    document = judged(places, wrong=10)
    Ledger(places.ledger).move(expected=None, target="R1", **WHO)  # and here it was killed

    assert promote.release(places, document, **WHO) is None
    assert in_service(places) == ("R1", {"champion": "1"})


@pytest.mark.served(10, 20)
def test_a_changed_alias_is_reported_and_repaired(places: Workspace) -> None:
    ModelRegistry(places.mlflow).project("1", None)

    assert reconcile.reconcile(places) == [
        "The aliases in MLflow change from champion = version 1 "
        "to champion = version 2, previous = version 1."
    ]
    assert reconcile.reconcile(places) == []


@pytest.mark.served(20)
def test_data_of_a_rejected_candidate_need_no_repair(places: Workspace) -> None:
    (places.root / "dvc.lock").write_text("stages: {} # of a later run\n")
    judged(places, wrong=8)

    assert reconcile.reconcile(places) == []

    (places.root / "dvc.lock").write_text("stages: {} # of nobody\n")
    (sentence,) = reconcile.reconcile(places)
    assert sentence.startswith(
        "Pending: Data versions are kept in git"
    )  # it would be restored if this folder were under git


def test_there_is_nothing_to_roll_back_to_at_first(places: Workspace) -> None:
    with pytest.raises(NothingToRollBack, match="No release is in service yet"):
        promote.rollback(places, to=None, **WHO)
    with pytest.raises(UsageError, match="tonewatch run"):
        reports.show_release(places, None)
    serve(places, wrong=10)
    with pytest.raises(NothingToRollBack, match="R1 is the first release"):
        promote.rollback(places, to=None, **WHO)


@pytest.mark.served(10)
def test_wrong_names_are_rejected_and_nothing_moves(places: Workspace) -> None:
    judged(places, wrong=20)

    with pytest.raises(UsageError, match=r"no release 'R9' \(known: R1, R2\)"):
        promote.promote(places, "R9", **WHO)
    with pytest.raises(UsageError, match="R1 is the champion already"):
        promote.rollback(places, to="R1", **WHO)
    with pytest.raises(UsageError, match="R2 never served"):
        promote.rollback(places, to="R2", **WHO)
    assert in_service(places) == ("R1", {"champion": "1"})


@pytest.mark.served(10)
def test_a_rejection_against_another_champion_is_judged_again(places: Workspace) -> None:
    better = serve(places, wrong=40)
    rejected = judged(places, wrong=20)
    assert not rejected["decision"]["accepted"]
    assert judged(places, wrong=20)["release"] == rejected["release"]
    promote.rollback(places, to="R1", **WHO)

    again = judged(places, wrong=20)

    assert (better["release"], again["champion"]) == ("R2", "R1")
    assert again["release"] != rejected["release"]
    assert again["decision"]["accepted"]


@pytest.mark.served(10, 20)
def test_a_move_reads_the_record_of_each_release_once(places: Workspace) -> None:
    statements: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        promote.rollback(places, to=None, **WHO)
    finally:
        event.remove(Engine, "before_cursor_execute", listen)

    records = [one for one in statements if one.startswith("SELECT releases.") and "document" in one]
    # R1, R2, and in the transaction of the move R1 and the last release, whose digest it stores.
    assert len(records) == 4
    assert len([one for one in statements if one.startswith("SELECT moves.")]) <= 3


@pytest.mark.served(10, 20)
def test_a_rollback_does_not_wait_for_a_run(places: Workspace) -> None:
    with workspace_lock(places.home):
        moved = promote.rollback(places, to=None, **WHO)

        assert Ledger(places.ledger).champion() == "R1"
        assert ModelRegistry(places.mlflow).aliases()["champion"] == "1"
        assert moved.pending == (reconcile.RUN_IN_PROGRESS,)
        assert reconcile.is_behind(places)

    reconcile.finish_interrupted_move(places)

    assert not reconcile.is_behind(places)


def test_a_rollback_judged_against_another_champion_moves_nothing(places: Workspace) -> None:
    for wrong in (10, 20, 300):
        serve(places, wrong=wrong)

    with pytest.raises(ChampionChanged, match="The champion is R3, no longer R2"):
        promote.rollback(places, to="R1", expected="R2", **WHO)

    assert Ledger(places.ledger).champion() == "R3"
