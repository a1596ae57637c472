"""Runs of a workspace whose fine-tuning goes on from the champion: new texts, and the same texts again."""

import itertools
from pathlib import Path

import pytest

from pipeline.base.config import Workspace
from pipeline.base.errors import DataRejected
from pipeline.io import files
from pipeline.io.params_file import load_params, load_profile, set_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning import data_versions
from pipeline.operations.workspace import init_workspace
from pipeline.stages.context import StageContext
from pipeline.stages.runner import run_if_changed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STAGES = ("identity", "collect", "clean", "validate", "split", "pretrain", "finetune")
WORDS = {"negative": ("awful", "poor", "ugly"), "positive": ("lovely", "great", "superb")}
THINGS = ("film", "book", "phone", "meal", "song", "room", "ride", "garden", "lamp", "chair")
FRAMES = ("a {} {}", "what a {} {} that was", "I think it is a {} {}", "they sold us a {} {} again")
TINY = (
    "collect.labels=[negative, positive]",
    "encoder.start=scratch",
    "encoder.scratch={vocabulary: 300, width: 32, layers: 1, heads: 2, feed_forward: 64}",
    "pretrain.steps=4",
    "finetune.min_steps=8",
    "finetune.eval_every=4",
    "validate.min_texts=20",
    "evaluate.vader_thresholds=[0.0]",
    "evaluate.behaviour.abilities=[]",
    "gate.abilities={}",
)


def write_table(root: Path, things: int) -> None:
    rows = [
        f"{frame.format(word, thing)},{label}"
        for label, words in WORDS.items()
        for word, thing, frame in itertools.product(words, THINGS[:things], FRAMES)
    ]
    (root / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")


def run(places: Workspace) -> set[str]:
    """Run the stages as the flow does, and return the names of those that were not skipped."""
    context = StageContext(places, load_profile("laptop"))
    ran = {name for name in STAGES if run_if_changed(context, name).ran}
    data_versions.keep_data_version(places.root, "a test")
    return ran


def promote(places: Workspace) -> None:
    """Record the present classifier as the release in service."""
    ledger, root = Ledger(places.ledger), places.root
    teacher = files.read_receipt(root / "data" / "classifier").files["model.safetensors"]
    document = {
        "identity": teacher,
        "data_version": data_versions.show_version(root, None).name,
        "params": places.params.read_text("utf-8"),
        "teacher": teacher,
        "champion": ledger.champion(),
        "evaluation": {"labels": list(load_params(places.params).collect.labels)},
        "model_version": "1",
        "workspace": None,
        "files": {},
    }
    name = ledger.add(document).name
    ledger.move(expected=ledger.champion(), target=name, actor="ada", reason="a test")


def test_new_texts_go_on_from_the_champion_and_the_same_texts_are_skipped(tmp_path: Path) -> None:
    root = init_workspace(tmp_path, "csv")
    set_params(root / "params.yaml", TINY)
    places = Workspace.of(root, {})
    write_table(root, 6)
    assert run(places) == set(STAGES) - {"identity"}
    promote(places)

    # Nothing is new to R1 yet.
    set_params(root / "params.yaml", ["finetune.start=champion"])
    with pytest.raises(DataRejected, match="R1 has learnt from each"):
        run(places)

    write_table(root, 10)
    ran = run(places)
    receipt = files.read_receipt(root / "data" / "classifier")
    encoder = files.read_receipt(root / "data" / "encoder")
    assert {"collect", "split", "finetune"} <= ran
    assert receipt.notes["start"] == "R1"
    assert receipt.counts["replayed"] == receipt.counts["new"] // 4
    assert encoder.notes["objective"] == "none"

    promote(places)
    assert run(places) == set()
