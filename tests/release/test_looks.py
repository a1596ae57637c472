"""What a judgement records of the test split: looks, the reserve, texts left out, anchors."""

from pathlib import Path

import pytest
import recorded
import world
from world import TEXTS, WHO, Workspace, judged, serve

from pipeline.base.records import Receipt
from pipeline.io import files, parquet
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.data_branch import Manifest
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.release import promote, reports, verify


@pytest.mark.served(10)
def test_every_verdict_is_a_look_that_pays_and_is_shown(places: Workspace) -> None:
    looks = [judged(places, wrong=wrong)["comparison"]["look"] for wrong in (9, 8, 11)]
    again = judged(places, wrong=8)["comparison"]["look"]

    assert [look["number"] for look in looks] == [1, 2, 3]
    assert looks[0]["level"] == pytest.approx(2 * looks[1]["level"]) == pytest.approx(3 * looks[2]["level"])
    assert again == looks[1]  # an equal candidate is looked up
    shown = reports.show_release(places, None)["looks"]
    assert (shown["used"], shown["allowed"], shown["left"]) == (3, 52, 49)
    assert "needs 300 more test texts: about 2,000 new labelled texts at split.test 0.15" in shown["sentence"]
    verify.verify_releases(places, None)


def test_a_used_up_test_split_promotes_nothing(places: Workspace) -> None:
    world.set_gate(places, looks=1)
    serve(places, wrong=10)
    judged(places, wrong=9)

    rejected = judged(places, wrong=300)

    assert rejected["comparison"]["macro_f1"]["low"] > 0.05
    assert rejected["decision"]["reasons"][0].endswith("says how many a new test split needs.")


def test_the_reserve_is_opened_for_an_accepted_candidate_alone(places: Workspace) -> None:
    world.set_gate(places, reserve=0.3)
    first, second = serve(places, wrong=10), judged(places, wrong=9)

    reserved = first["test"]["reserved"]
    assert 60 < reserved < 120
    assert first["published"]["texts"] == reserved
    low, high = first["published"]["intervals"]["macro_f1"]
    assert low < first["published"]["macro_f1"] < high
    assert second["comparison"]["texts"] == 300 - reserved
    assert second["published"] is None


def commit_split(places: Workspace, *, train: int, fingerprint: str) -> None:
    """Keep a data version whose test split is TEXTS and whose train split holds the first of them."""
    with files.staging_dir(places.root / "data" / "splits") as staging:
        for name, records in (("train", TEXTS[:train]), ("valid", TEXTS[:0]), ("test", TEXTS)):
            parquet.write_texts(staging / f"{name}.parquet", records)
        files.write_receipt(staging, Receipt("split", notes={"fingerprint": fingerprint}))
    DvcCache(places.root).commit("split")
    manifest = Manifest(fingerprint, 300, {"test": 300}, {}, {}, {})
    data_branch.commit_version(places.root, manifest, reason="a test")


@pytest.mark.slow
def test_texts_that_the_champion_learnt_from_are_left_out(workspace: Path, mlflow_uri: str) -> None:
    places = recorded.build(workspace, mlflow_uri)
    commit_split(places, train=120, fingerprint="1" * 64)
    promote.release(places, judged(places, wrong=10, data_version="v1"), **WHO)
    commit_split(places, train=0, fingerprint="2" * 64)

    comparison = judged(places, wrong=9, data_version="v2")["comparison"]

    assert comparison["left_out"] == [{"release": "R1", "texts": 120, "unknown": None}]
    assert comparison["texts"] == 180


def test_data_that_cannot_be_read_are_said_and_refuse_nothing(places: Workspace) -> None:
    promote.release(places, judged(places, wrong=10, data_version="v1"), **WHO)
    record = judged(places, wrong=300, data_version="v2")

    (left_out,) = record["comparison"]["left_out"]
    assert left_out["texts"] == 0
    assert "its data v1 cannot be read" in left_out["unknown"]
    (sentence,) = [c["sentence"] for c in record["decision"]["checks"] if c["name"] == "champion"]
    assert "Which of them R1 was trained on is not known" in sentence
    assert record["decision"]["accepted"]


def test_a_verdict_that_rests_on_an_older_ledger_is_not_recorded(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    first = ledger.add_following({"schema": 2, "identity": "one"}, 0)
    assert first is not None
    assert ledger.add_following({"schema": 2, "identity": "two"}, 0) is None
    assert ledger.add_following({"schema": 2, "identity": "one"}, 0) == first
    assert [release.identity for release in ledger.releases()] == ["one"]
    assert ledger.add_following({"schema": 2, "identity": "two"}, 1) is not None


def with_errors(*, of_negative: int, one_of_others: int) -> dict[str, str]:
    """Return predictions that call so many negative texts neutral, and mix up one of so many others."""
    swapped, negative = (
        {"neutral": "positive", "positive": "neutral"},
        [t for t in TEXTS if t.label == "negative"],
    )
    wrong = {text.text: "neutral" for text in negative[:of_negative]}
    others = [text for text in TEXTS if text.label != "negative"]
    wrong |= {text.text: swapped[text.label] for text in others[::one_of_others]}
    return {text.text: wrong.get(text.text, text.label) for text in TEXTS}


@pytest.mark.slow
def test_slices_are_held_against_the_best_earlier_release(places: Workspace) -> None:
    # F1 of negative falls by 2.0 and by 4.3 points, each within the margin of 5; both are better overall.
    world.set_gate(places, slice_margin=0.05)
    for of_negative, one_of_others in ((0, 4), (4, 12)):
        predicted = with_errors(of_negative=of_negative, one_of_others=one_of_others)
        promote.release(places, judged(places, wrong=1, predicted=predicted), **WHO)

    predicted = with_errors(of_negative=12, one_of_others=300)
    record = judged(places, wrong=1, predicted=predicted)

    comparison = record["comparison"]
    assert (comparison["champion"], comparison["anchors"]) == ("R2", ["R1"])
    row = {row["name"]: row for row in comparison["slices"]}["class=negative"]
    assert (row["against"], row["champion"], row["state"]) == ("R1", 1.0, "worse")
    assert "class=negative from 1.000 of R1 to 0.936" in " ".join(record["decision"]["reasons"])
