"""Explanations with the classifier of a release: from the workspace, from MLflow, and where it is gone."""

import dataclasses
import shutil

import pytest
import tiny_starts
import toy
import world

from pipeline.base.errors import UsageError
from pipeline.base.records import Receipt
from pipeline.core.model.encoder import build_encoder
from pipeline.core.model.heads import Classifier
from pipeline.core.model.published import encoder_config
from pipeline.inference.champion import load_champion
from pipeline.inference.explain import explain, explain_texts
from pipeline.io import files
from pipeline.io.model_folder import write_model
from pipeline.release import judge, promote, register

TEXT = "word1 is a lovely film"


def write_classifier(folder):
    """Write a tiny classifier of three labels; return the digest of its weights."""
    config = encoder_config(tiny_starts.CONFIGS["bert"], where="bert")
    model = Classifier(build_encoder(config, dropout=0.0, seed=1), len(toy.LABELS), dropout=0.0, seed=1)
    with files.staging_dir(folder) as staging:
        write_model(staging, model.state_dict(), config, tiny_starts.tokenizer_of("bert"), [])
        return files.write_receipt(staging, Receipt("finetune")).files["model.safetensors"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return a workspace whose champion names its classifier, which MLflow holds too."""
    root = tmp_path_factory.mktemp("explain")
    places = world.build(root, f"sqlite:///{root}/.tonewatch/mlflow.db")
    (root / ".tonewatch").mkdir(exist_ok=True)
    digest = write_classifier(root / "data" / "classifier")
    world.candidate(places, wrong=10)
    candidate = root / "data" / "candidate"
    files.write_json(
        candidate / "model.json", {**files.read_json(candidate / "model.json"), "teacher": digest}
    )
    receipt = files.read_receipt(candidate)
    files.write_receipt(candidate, dataclasses.replace(receipt, files={}))
    version = register.register(places, "v1", code=root / "serving.py")
    record = judge.judge(places, judge.CandidateLineage("v1", version, "c" * 40), **world.WHO)
    promote.release(places, record, **world.WHO)
    return places


def gradients(places, text=TEXT):
    return explain(places, load_champion(places), text, method="gradients", most=40)


def test_the_classifier_of_the_workspace_explains_the_label_that_is_served(served):
    by_gradients = gradients(served)
    by_occlusion = explain(served, load_champion(served), TEXT, method="occlusion", most=40)

    assert (by_gradients.label, by_gradients.probabilities) == (
        by_occlusion.label,
        by_occlusion.probabilities,
    )
    assert [word.word for word in by_gradients.words] == [word.word for word in by_occlusion.words]
    assert (by_gradients.method, by_occlusion.method) == ("gradients", "occlusion")
    assert any(word.weight for word in by_gradients.words)


def test_a_classifier_that_is_gone_here_is_fetched_once_and_verified(served):
    before = gradients(served)
    shutil.move(served.root / "data" / "classifier", served.root / "aside")
    try:
        assert gradients(served) == before
        (copy,) = (served.home / "classifiers").iterdir()
        (copy / "tokenizer.json").write_text("{}")
        assert gradients(served) == before
        assert (copy / "tokenizer.json").read_text() != "{}"
    finally:
        shutil.move(served.root / "aside", served.root / "data" / "classifier")


def test_another_classifier_in_the_workspace_is_not_used(served):
    before = gradients(served)
    kept = served.root / "data" / "kept"
    shutil.move(served.root / "data" / "classifier", kept)
    with files.staging_dir(served.root / "data" / "classifier") as staging:
        for name in ("config.json", "tokenizer.json", "history.json"):
            shutil.copyfile(kept / name, staging / name)
        (staging / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
        files.write_receipt(staging, Receipt("finetune"))
    try:
        assert gradients(served) == before
    finally:
        shutil.rmtree(served.root / "data" / "classifier")
        shutil.move(kept, served.root / "data" / "classifier")


def test_a_release_whose_classifier_is_nowhere_is_named(served):
    release = load_champion(served)
    settings = files.read_json(release.folder / "model.json")
    folder = served.root / "other"
    shutil.copytree(release.folder, folder, dirs_exist_ok=True)
    for teacher, sentence in (
        ("0" * 64, "neither in data/classifier nor in MLflow"),
        (None, "no digest of its"),
    ):
        files.write_json(folder / "model.json", {**settings, "teacher": teacher})

        with pytest.raises(UsageError, match=sentence):
            explain(served, dataclasses.replace(release, folder=folder), TEXT, method="gradients", most=40)


def test_an_unknown_method_is_named(served):
    with pytest.raises(UsageError, match=r"no explanation by 'magic'\. Write `occlusion` or `gradients`"):
        explain_texts(served, [TEXT], "magic")


def test_several_texts_are_explained_in_their_order(served):
    found = explain_texts(served, ["word1", "word2 word3"], "occlusion")

    assert [[word.word for word in one.words] for one in found.explanations] == [
        ["word1"],
        ["word2", "word3"],
    ]
    assert found.release == "R1"
