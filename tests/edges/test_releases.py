"""From a candidate to a champion and back, on a real ledger and a real MLflow."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import Places, load_params
from pipeline.errors import CandidateRefused, DigestMismatch, NothingToRollBack, WrongUse
from pipeline.evaluate import Answered, evaluation
from pipeline.registry.ledger import Ledger
from pipeline.registry.models import Models
from pipeline.schema import Receipt, Record
from pipeline.stages import releases
from pipeline.storage import files, tables

CHECKOUT = Path(__file__).parents[2]
LABELS = ("negative", "neutral", "positive")
TEXTS = [Record(f"t{n}", f"text {n} {LABELS[n % 3]}", LABELS[n % 3], "tweet", f"g{n}", "en", "", "MIT") for n in range(300)]
CODE = """
import mlflow
import pandas

class Toy(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pandas.DataFrame, params=None):
        return model_input

mlflow.models.set_model(Toy())
"""
WHO = {"actor": "ada", "reason": "a test"}
DOWN = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Every:
    """Answer with the label written in the text, and wrongly for every so-manieth."""

    wrong: int

    def predict(self, texts: Sequence[str]) -> "Every.Answers":
        def answer(text: str) -> str:
            _, number, label = text.split()
            return label if int(number) % self.wrong else LABELS[(LABELS.index(label) + 1) % 3]

        return Every.Answers([answer(text) for text in texts])

    @dataclass(frozen=True)
    class Answers:
        labels: list[str]


def opened(folder: Path) -> Every:
    return Every(files.read_json(folder / "model.json")["wrong"])


@pytest.fixture
def places(tmp_path: Path, mlflow_uri: str) -> Places:
    params = yaml.safe_load((CHECKOUT / "params.yaml").read_text("utf-8"))
    params["evaluate"]["resamples"] = params["gate"]["resamples"] = 200
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (tmp_path / "dvc.lock").write_text("stages: {}\n")
    (tmp_path / "serving.py").write_text(CODE)
    with files.whole(tmp_path / "data" / "splits") as desk:
        tables.write_texts(desk / "test.parquet", TEXTS)
        files.write_receipt(desk, Receipt("split", notes={"fingerprint": "f" * 64}))
    with files.whole(tmp_path / "data" / "classifier") as desk:
        (desk / "model.safetensors").write_text("parent")
        files.write_receipt(desk, Receipt("finetune"))
    return Places(tmp_path, mlflow_uri, f"sqlite:///{tmp_path}/.tonewatch/ledger.db")


def judged(places: Places, *, wrong: int, data_version: str = "v1") -> dict[str, Any]:
    """Make a candidate that is wrong for every so-manieth text, register it and judge it."""
    with files.whole(places.root / "data" / "candidate") as desk:
        (desk / "model.onnx").write_text(f"weights {wrong}")
        (desk / "tokenizer.json").write_text("{}")
        files.write_json(desk / "model.json", {"labels": LABELS, "wrong": wrong})
        files.write_receipt(desk, Receipt("compress"))
    guess = Every(wrong).predict([text.text for text in TEXTS]).labels
    truth, answers = ([LABELS.index(label) for label in column] for column in ([text.label for text in TEXTS], guess))
    sure = [[0.9 if label == number else 0.05 for number in range(3)] for label in answers]
    answered = Answered(LABELS, truth, answers, sure, [text.group for text in TEXTS], ["tweet"] * len(TEXTS))
    params = load_params(places.params)
    with files.whole(places.root / "data" / "evaluation") as desk:
        baselines = {"tfidf": [0] * len(TEXTS), "vader": [1] * len(TEXTS)}
        files.write_json(desk / "evaluation.json", evaluation(answered, baselines=baselines, cfg=params.evaluate, seed=params.seed))
        columns = {"id": [t.id for t in TEXTS], "group": answered.groups, "label": [t.label for t in TEXTS], "guess": guess}
        tables.write_rows(desk / "predictions.parquet", columns)
        files.write_receipt(desk, Receipt("evaluate"))
    version = releases.register(places, data_version, code=places.root / "serving.py")
    return releases.judge(places, releases.Made(data_version, version, "c" * 40), **WHO, load=opened)


def serve(places: Places, *, wrong: int) -> dict[str, Any]:
    document = judged(places, wrong=wrong)
    releases.release(places, document, **WHO)
    return document


def in_service(places: Places) -> tuple[str | None, dict[str, str]]:
    return Ledger(places.ledger).current(), Models(places.mlflow).aliases()


def test_the_first_good_candidate_becomes_a_whole_release(places: Places) -> None:
    document = serve(places, wrong=10)

    assert in_service(places) == ("R1", {"champion": "1"})
    assert {"release", "created", "actor", "reason", "data_version", "model_version", "code_commit", "params_digest"} <= set(document)
    assert {"identity", "params", "lock", "evaluation", "baselines", "intervals"} <= set(document)
    assert document["metrics"]["macro_f1"] == pytest.approx(0.9, abs=0.01)
    assert set(document["metrics"]) == {"macro_f1", "accuracy", "per_source"}
    assert document["decision"]["reasons"][0].startswith("Macro F1 is 0.9")
    assert document["comparison"] is None
    files.verify(places.releases / "R1", document["files"])
    assert set(document["files"]) == {"model.onnx", "tokenizer.json", "model.json", "evaluation.json"}
    shown = releases.show(places, None)
    assert (shown["release"], shown["in_service"], len(shown["moves"])) == ("R1", True, 1)


def test_the_same_candidate_again_is_found_and_nothing_moves(places: Places) -> None:
    first = serve(places, wrong=10)
    again = judged(places, wrong=10)

    assert again == first
    assert releases.release(places, again, **WHO) is None
    assert [move["to"] for move in releases.list_moves(places)] == ["R1"]
    assert first["model_version"] == again["model_version"] == "1"


def test_a_better_candidate_takes_over_and_rolling_back_twice_returns(places: Places) -> None:
    serve(places, wrong=10)
    better = serve(places, wrong=20)
    assert better["comparison"]["difference"] == pytest.approx(0.05, abs=0.01)
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})

    moved = releases.rollback(places, to=None, actor="bob", reason="complaints")
    assert moved.as_dict()["pending"] == []
    assert in_service(places) == ("R1", {"champion": "1", "previous": "2"})

    releases.rollback(places, to=None, actor="bob", reason="they were wrong")
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})
    assert [(move["from"], move["to"]) for move in releases.list_moves(places)] == [("R1", "R2"), ("R2", "R1"), ("R1", "R2"), (None, "R1")]


def test_a_worse_candidate_is_refused_recorded_and_can_never_be_promoted(places: Places) -> None:
    serve(places, wrong=20)
    worse = judged(places, wrong=8)

    with pytest.raises(CandidateRefused, match=r"R2 was refused: Against champion R1 on the same 300 texts"):
        releases.release(places, worse, **WHO)
    with pytest.raises(CandidateRefused):
        releases.promote(places, "R2", **WHO)
    assert in_service(places) == ("R1", {"champion": "1"})
    assert releases.show(places, "R2")["decision"]["accepted"] is False
    assert not (places.releases / "R2").exists()


def test_what_was_rolled_back_comes_again_only_by_name(places: Places) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)
    releases.rollback(places, to="R1", actor="bob", reason="complaints")

    with pytest.raises(CandidateRefused, match=r"bob moved on to R1 at .* \(complaints\).*release promote R2"):
        releases.release(places, judged(places, wrong=20), **WHO)
    fresh = judged(places, wrong=20, data_version="v2")  # the same files under another identity
    assert fresh["decision"]["reasons"][0].startswith("This very candidate is R2, and bob went back from it to R1")
    assert [part["name"] for part in fresh["decision"]["parts"] if not part["passed"]] == ["withdrawn"]

    releases.promote(places, "R2", **WHO)
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})


def test_a_decision_about_another_champion_promotes_nothing(places: Places) -> None:
    serve(places, wrong=10)
    slow = judged(places, wrong=15)
    serve(places, wrong=20)

    with pytest.raises(CandidateRefused, match="R2 was judged against R1, but R3 is in service now"):
        releases.release(places, slow, **WHO)
    assert in_service(places)[0] == "R3"


def test_a_damaged_copy_is_fetched_again_before_it_serves(places: Places) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)
    (places.releases / "R1" / "model.onnx").write_text("tampered")

    releases.rollback(places, to=None, **WHO)
    assert (places.releases / "R1" / "model.onnx").read_text() == "weights 10"


def test_a_release_whose_files_are_lost_everywhere_moves_nothing(places: Places) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)
    for lost in (places.root / ".tonewatch").rglob("model.onnx"):
        if lost.read_text() == "weights 10":
            lost.unlink()

    with pytest.raises(DigestMismatch, match=r"(?s)R1 cannot be used.*model\.onnx is missing.*Nothing was changed"):
        releases.rollback(places, to=None, **WHO)
    assert in_service(places) == ("R2", {"champion": "2", "previous": "1"})


def test_rolling_back_needs_no_registry_and_its_aliases_follow_later(places: Places) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)

    moved = releases.rollback(replace(places, mlflow=DOWN), to=None, **WHO)
    assert len(moved.pending) == 1
    assert "127.0.0.1:9 does not answer" in moved.pending[0]
    assert in_service(places) == ("R1", {"champion": "2", "previous": "1"})

    assert releases.heal(places) == [
        "The aliases in MLflow were champion = version 2, previous = version 1, are champion = version 1, previous = version 2."
    ]
    assert releases.heal(places) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.config import Places
from pipeline.registry import ledger
from pipeline.stages import releases
places = Places(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
move = ledger.Ledger.move
def die_after(*args, **kwargs):
    move(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
ledger.Ledger.move = die_after
releases.rollback(places, to=None, actor="bob", reason="killed on the way")
"""


def test_a_move_killed_after_the_ledger_is_finished_by_the_next_command(places: Places) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)
    died = subprocess.run([sys.executable, "-c", KILLED, str(places.root), places.mlflow, places.ledger], timeout=60, check=False)
    assert died.returncode == -9
    assert in_service(places) == ("R1", {"champion": "2", "previous": "1"})

    with pytest.raises(WrongUse, match="R1 is in service already"):
        releases.promote(places, "R1", **WHO)
    assert in_service(places) == ("R1", {"champion": "1", "previous": "2"})


def test_the_line_itself_finishes_a_killed_move(places: Places) -> None:
    document = judged(places, wrong=10)
    Ledger(places.ledger).move(expected=None, target="R1", **WHO)  # and here it was killed

    assert releases.release(places, document, **WHO) is None
    assert in_service(places) == ("R1", {"champion": "1"})


def test_an_alias_moved_by_hand_is_reported_and_put_back(places: Places) -> None:
    serve(places, wrong=10)
    serve(places, wrong=20)
    Models(places.mlflow).project("1", None)

    assert releases.reconcile(places) == [
        "The aliases in MLflow were champion = version 1, are champion = version 2, previous = version 1."
    ]
    assert releases.reconcile(places) == []


def test_there_is_nothing_to_go_back_to_at_first(places: Places) -> None:
    with pytest.raises(NothingToRollBack, match="No release is in service yet"):
        releases.rollback(places, to=None, **WHO)
    with pytest.raises(WrongUse, match="tonewatch run"):
        releases.show(places, None)
    serve(places, wrong=10)
    with pytest.raises(NothingToRollBack, match="R1 is the first release"):
        releases.rollback(places, to=None, **WHO)


def test_wrong_names_are_refused_and_nothing_moves(places: Places) -> None:
    serve(places, wrong=10)
    judged(places, wrong=20)

    with pytest.raises(WrongUse, match=r"no release 'R9' \(known: R1, R2\)"):
        releases.promote(places, "R9", **WHO)
    with pytest.raises(WrongUse, match="R1 is in service already"):
        releases.rollback(places, to="R1", **WHO)
    with pytest.raises(WrongUse, match="R2 never served"):
        releases.rollback(places, to="R2", **WHO)
    assert in_service(places) == ("R1", {"champion": "1"})


def test_a_refusal_against_another_champion_is_not_todays_answer(places: Places) -> None:
    serve(places, wrong=10)
    better = serve(places, wrong=40)
    refused = judged(places, wrong=20)
    assert not refused["decision"]["accepted"]
    assert judged(places, wrong=20)["release"] == refused["release"]
    releases.rollback(places, to="R1", **WHO)

    again = judged(places, wrong=20)

    assert (better["release"], again["champion"]) == ("R2", "R1")
    assert again["release"] != refused["release"]
    assert again["decision"]["accepted"]
