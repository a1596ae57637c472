"""Approvals, previews, verification, and what moves with a release."""

import sqlite3
from dataclasses import replace

import pytest
import yaml
from world import DOWN, TEXTS, WHO, in_service, judged, serve, set_gate

from pipeline.base.config import Workspace
from pipeline.base.errors import CandidateRejected, DigestMismatch, Fault, UsageError
from pipeline.base.records import Receipt
from pipeline.io import files, parquet
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.release import promote, reconcile
from pipeline.release.verify import verify_releases


@pytest.mark.served(10)
def test_an_accepted_release_waits_for_approval(places: Workspace) -> None:
    set_gate(places, approval="human")
    waiting = serve(places, wrong=20)

    assert waiting["decision"]["accepted"]
    assert promote.awaits_approval(places, waiting)
    assert in_service(places) == ("R1", {"champion": "1"})
    with pytest.raises(
        CandidateRejected, match=r"R2 waits for approval\. Type `tonewatch release approve R2"
    ):
        promote.promote(places, "R2", **WHO)

    moved = promote.approve(places, "R2", actor="grace", reason="read fifty answers")

    assert (moved.move.actor, moved.move.reason) == ("grace", "read fifty answers")
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})
    approval = Ledger(places.ledger).approval("R2")
    assert approval
    assert (approval.actor, approval.reason) == ("grace", "read fifty answers")
    promote.rollback(places, to=None, **WHO)
    promote.promote(places, "R2", **WHO)  # an approval counts for later promotions too
    assert in_service(places)[0] == "R2"


@pytest.mark.served(10)
def test_only_a_waiting_release_can_be_approved(places: Workspace) -> None:
    judged(places, wrong=20)
    judged(places, wrong=5)
    set_gate(places, approval="human")
    judged(places, wrong=30)

    with pytest.raises(UsageError, match="R2 needs no approval"):
        promote.approve(places, "R2", **WHO)
    with pytest.raises(CandidateRejected, match="R3 was rejected"):
        promote.approve(places, "R3", **WHO)
    with pytest.raises(UsageError, match="R1 is the champion already"):
        promote.approve(places, "R1", **WHO)
    with pytest.raises(UsageError, match="no release 'R9'"):
        promote.approve(places, "R9", **WHO)
    promote.promote(places, "R2", **WHO)
    with pytest.raises(CandidateRejected, match="R4 was judged against R1, but the champion is R2"):
        promote.approve(places, "R4", **WHO)
    assert in_service(places)[0] == "R2"


@pytest.mark.served(10)
def test_params_move_with_a_release_and_edits_are_backed_up(places: Workspace) -> None:
    set_gate(places, champion_margin=0.007)
    serve(places, wrong=20)
    set_gate(places, champion_margin=0.009)  # meant for the next run

    promote.rollback(places, to=None, **WHO)
    assert load_params(places.params).gate.champion_margin == 0.005
    backup = yaml.safe_load((places.home / "params" / "before-R1.yaml").read_text())
    assert backup["gate"]["champion_margin"] == 0.009

    promote.rollback(places, to=None, **WHO)
    assert load_params(places.params).gate.champion_margin == 0.007
    set_gate(places, champion_margin=0.008)
    assert reconcile.reconcile(places) == []  # an edit needs no repair
    assert load_params(places.params).gate.champion_margin == 0.008


@pytest.mark.served(10)
def test_a_preview_lists_the_steps_and_changes_nothing(places: Workspace) -> None:
    set_gate(places, champion_margin=0.007)
    serve(places, wrong=20)
    before = in_service(places), places.params.read_bytes(), Ledger(places.ledger).moves()

    preview = promote.preview_move(places, None, back=True)

    assert (preview["from"], preview["to"], preview["pending"]) == ("R2", "R1", [])
    assert preview["steps"] == [
        "The ledger records the move from R2 to R1.",
        "The aliases in MLflow change from champion = version 2, previous = version 1 "
        "to champion = version 1, previous = version 2.",
        "params.yaml becomes that of R1; a backup goes to .tonewatch/params/before-R1.yaml.",
    ]
    assert "127.0.0.1:9" in promote.preview_move(replace(places, mlflow=DOWN), None, back=True)["pending"][0]
    with pytest.raises(UsageError, match="R2 is the champion already"):
        promote.preview_move(places, "R2", back=False)
    assert (in_service(places), places.params.read_bytes(), Ledger(places.ledger).moves()) == before


@pytest.mark.served(10)
def test_verify_repeats_every_decision_and_detects_changes(places: Workspace) -> None:
    judged(places, wrong=5)
    serve(places, wrong=20)

    sound = verify_releases(places, None)
    assert (sound["releases"], sound["moves"]) == (["R1", "R2", "R3"], 2)
    assert verify_releases(places, "R2")["releases"] == ["R2"]

    model = places.releases / "R1" / "model.onnx"
    good = model.read_bytes()
    model.write_bytes(good + b"\0")
    with pytest.raises(DigestMismatch, match=r"R1 is not intact.*model\.onnx was changed"):
        verify_releases(places, "R1")
    model.write_bytes(good)
    ModelRegistry(places.mlflow).project("1", None)
    with pytest.raises(
        DigestMismatch,
        match=r"Does not agree with the ledger: The aliases in MLflow change from champion = version 1 to",
    ):
        verify_releases(places, None)


@pytest.mark.served(20)
def test_an_edited_decision_does_not_follow_from_its_evidence(places: Workspace) -> None:
    judged(places, wrong=5)
    with sqlite3.connect(places.ledger.removeprefix("sqlite:///")) as ledger:
        triggers = [
            name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        ]
        for name in triggers:
            ledger.execute(f'DROP TRIGGER "{name}"')
        changed = ledger.execute(
            """UPDATE releases SET document = replace(document, '"accepted": false', '"accepted": true')"""
        ).rowcount
    assert changed

    with pytest.raises(DigestMismatch) as error:
        verify_releases(places, "R2")

    assert "The decision on R2 does not follow from its own evidence" in str(error.value)
    assert "releases" in str(error.value).splitlines()[0]  # and the hash chain says where


@pytest.mark.served(10)
def test_without_the_champions_own_test_texts_nothing_is_judged(places: Workspace) -> None:
    with files.staging_dir(places.root / "data" / "splits") as staging:
        parquet.write_texts(staging / "test.parquet", [replace(text, source="review") for text in TEXTS])
        files.write_receipt(staging, Receipt("split", notes={"fingerprint": "e" * 64}))

    with pytest.raises(
        Fault,
        match=r"R1 was trained on tweet, which today's texts lack, and its own test texts \(data v1\) cannot",
    ):
        judged(places, wrong=20, data_version="v2")

    assert in_service(places) == ("R1", {"champion": "1"})
    assert [release.name for release in Ledger(places.ledger).releases()] == ["R1"]
