"""From a candidate to a champion and back, on a real ledger and a real MLflow."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from world import DOWN, WHO, build, in_service, judged, serve

from pipeline.base.config import Workspace
from pipeline.base.errors import CandidateRejected, DigestMismatch, NothingToRollBack, UsageError
from pipeline.io import files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.release import promote


@pytest.fixture
def places(tmp_path: Path, mlflow_uri: str) -> Workspace:
    return build(tmp_path, mlflow_uri)


def test_the_first_good_candidate_becomes_a_whole_release(places: Workspace) -> None:
    document = serve(places, wrong=10)

    assert in_service(places) == ("R1", {"champion": "1"})
    assert {
        "release",
        "created",
        "actor",
        "reason",
        "data_version",
        "model_version",
        "code_commit",
        "params_digest",
    } <= set(document)
    assert {
        "identity",
        "params",
        "lock",
        "evaluation",
        "baselines",
        "intervals",
        "menu",
        "cost",
        "checks",
        "thresholds",
    } <= set(document)
    assert document["metrics"]["macro_f1"] == pytest.approx(0.9, abs=0.01)
    assert set(document["metrics"]) == {"macro_f1", "accuracy", "per_source"}
    assert document["decision"]["reasons"][0].startswith("Macro F1 is 0.9")
    assert document["comparison"] is None
    files.verify_folder(places.releases / "R1", document["files"])
    assert set(document["files"]) == {
        "model.onnx",
        "tokenizer.json",
        "model.json",
        "golden.json",
        "evaluation.json",
    }
    shown = promote.show(places, None)
    assert (shown["release"], shown["in_service"], len(shown["moves"])) == ("R1", True, 1)


def test_the_same_candidate_again_is_found_and_nothing_moves(places: Workspace) -> None:
    first = serve(places, wrong=10)
    again = judged(places, wrong=10)

    assert again == first
    assert promote.release(places, again, **WHO) is None
    assert [move["to"] for move in promote.list_moves(places)] == ["R1"]
    assert first["model_version"] == again["model_version"] == "1"


def test_a_better_candidate_takes_over_and_rolling_back_twice_returns(places: Workspace) -> None:
    serve(places, wrong=10)
    better = serve(places, wrong=20)
    assert better["comparison"]["macro_f1"]["difference"] == pytest.approx(0.05, abs=0.01)
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})

    moved = promote.rollback(places, to=None, actor="bob", reason="complaints")
    assert moved.as_dict()["pending"] == []
    assert in_service(places) == ("R1", {"champion": "1", "previous": "2"})

    promote.rollback(places, to=None, actor="bob", reason="they were wrong")
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})
    assert [(move["from"], move["to"]) for move in promote.list_moves(places)] == [
        ("R1", "R2"),
        ("R2", "R1"),
        ("R1", "R2"),
        (None, "R1"),
    ]


def test_a_worse_candidate_is_refused_recorded_and_can_never_be_promoted(places: Workspace) -> None:
    serve(places, wrong=20)
    worse = judged(places, wrong=8)

    with pytest.raises(CandidateRejected, match=r"R2 was refused: Against champion R1 on the same 300 texts"):
        promote.release(places, worse, **WHO)
    with pytest.raises(CandidateRejected):
        promote.promote(places, "R2", **WHO)
    assert in_service(places) == ("R1", {"champion": "1"})
    assert promote.show(places, "R2")["decision"]["accepted"] is False
    assert not (places.releases / "R2").exists()


def test_what_was_rolled_back_comes_again_only_by_name(places: Workspace) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)
    promote.rollback(places, to="R1", actor="bob", reason="complaints")

    with pytest.raises(
        CandidateRejected, match=r"bob moved on to R1 at .* \(complaints\).*release promote R2"
    ):
        promote.release(places, judged(places, wrong=20), **WHO)
    fresh = judged(places, wrong=20, data_version="v2")  # the same files under another identity
    assert fresh["decision"]["reasons"][0].startswith(
        "This very candidate is R2, and bob went back from it to R1"
    )
    assert [part["name"] for part in fresh["decision"]["parts"] if not part["passed"]] == ["withdrawn"]

    promote.promote(places, "R2", **WHO)
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})


def test_a_decision_about_another_champion_promotes_nothing(places: Workspace) -> None:
    serve(places, wrong=10)
    slow = judged(places, wrong=20)
    serve(places, wrong=40)

    with pytest.raises(CandidateRejected, match="R2 was judged against R1, but R3 is in service now"):
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


def test_rolling_back_needs_no_registry_and_its_aliases_follow_later(places: Workspace) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)

    moved = promote.rollback(replace(places, mlflow=DOWN), to=None, **WHO)
    assert len(moved.pending) == 1
    assert "127.0.0.1:9 does not answer" in moved.pending[0]
    assert in_service(places) == ("R1", {"champion": "2", "previous": "1"})

    assert promote.finish_interrupted_move(places) == [
        "The aliases in MLflow go from champion = version 2, previous = version 1 to champion = version 1, previous = version 2."
    ]
    assert promote.finish_interrupted_move(places) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.base.config import Places
from pipeline.io.registry import ledger
from pipeline.release import promote as releases
places = Places(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
move = ledger.Ledger.move
def die_after(*args, **kwargs):
    move(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
ledger.Ledger.move = die_after
releases.rollback(places, to=None, actor="bob", reason="killed on the way")
"""


def test_a_move_killed_after_the_ledger_is_finished_by_the_next_command(places: Workspace) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(places.root), places.mlflow, places.ledger],
        timeout=60,
        check=False,
    )
    assert died.returncode == -9
    assert in_service(places) == ("R1", {"champion": "2", "previous": "1"})

    with pytest.raises(UsageError, match="R1 is in service already"):
        promote.promote(places, "R1", **WHO)
    assert in_service(places) == ("R1", {"champion": "1", "previous": "2"})


def test_the_line_itself_finishes_a_killed_move(places: Workspace) -> None:
    document = judged(places, wrong=10)
    Ledger(places.ledger).move(expected=None, target="R1", **WHO)  # and here it was killed

    assert promote.release(places, document, **WHO) is None
    assert in_service(places) == ("R1", {"champion": "1"})


def test_an_alias_moved_by_hand_is_reported_and_put_back(places: Workspace) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)
    ModelRegistry(places.mlflow).project("1", None)

    assert promote.reconcile(places) == [
        "The aliases in MLflow go from champion = version 1 to champion = version 2, previous = version 1."
    ]
    assert promote.reconcile(places) == []


def test_what_a_refused_candidate_left_in_the_work_tree_is_no_fault(places: Workspace) -> None:
    serve(places, wrong=20)
    (places.root / "dvc.lock").write_text("stages: {} # of a later run\n")
    judged(places, wrong=8)

    assert promote.reconcile(places) == []

    (places.root / "dvc.lock").write_text("stages: {} # of nobody\n")
    (told,) = promote.reconcile(places)
    assert told.startswith(
        "Pending: Data versions are kept in git"
    )  # it would be put back, were this folder under git


def test_there_is_nothing_to_go_back_to_at_first(places: Workspace) -> None:
    with pytest.raises(NothingToRollBack, match="No release is in service yet"):
        promote.rollback(places, to=None, **WHO)
    with pytest.raises(UsageError, match="tonewatch run"):
        promote.show(places, None)
    serve(places, wrong=10)
    with pytest.raises(NothingToRollBack, match="R1 is the first release"):
        promote.rollback(places, to=None, **WHO)


def test_wrong_names_are_refused_and_nothing_moves(places: Workspace) -> None:
    serve(places, wrong=10)
    judged(places, wrong=20)

    with pytest.raises(UsageError, match=r"no release 'R9' \(known: R1, R2\)"):
        promote.promote(places, "R9", **WHO)
    with pytest.raises(UsageError, match="R1 is in service already"):
        promote.rollback(places, to="R1", **WHO)
    with pytest.raises(UsageError, match="R2 never served"):
        promote.rollback(places, to="R2", **WHO)
    assert in_service(places) == ("R1", {"champion": "1"})


def test_a_refusal_against_another_champion_is_not_todays_answer(places: Workspace) -> None:
    serve(places, wrong=10)
    better = serve(places, wrong=40)
    refused = judged(places, wrong=20)
    assert not refused["decision"]["accepted"]
    assert judged(places, wrong=20)["release"] == refused["release"]
    promote.rollback(places, to="R1", **WHO)

    again = judged(places, wrong=20)

    assert (better["release"], again["champion"]) == ("R2", "R1")
    assert again["release"] != refused["release"]
    assert again["decision"]["accepted"]
