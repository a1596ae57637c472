"""The registered model on a real MLflow over SQLite."""

import dataclasses
import hashlib
import os
import time
from pathlib import Path

import pytest

from pipeline.errors import Fault
from pipeline.registry import tracking
from pipeline.registry.models import Entry, Models

CODE = """
import json
import mlflow
import pandas

class Toy(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        with open(context.artifacts["model.json"]) as file:
            self.labels = json.load(file)["labels"]

    def predict(self, context, model_input: pandas.DataFrame, params=None):
        sure = [0.75 if "good" in text else 0.25 for text in model_input["text"]]
        label = [self.labels[share > 0.5] for share in sure]
        return pandas.DataFrame({"label": label, "no": [1 - share for share in sure], "yes": sure})

mlflow.models.set_model(Toy())
"""


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    for name, text in (
        ("candidate/model.onnx", "weights"),
        ("candidate/tokenizer.json", "{}"),
        ("candidate/model.json", '{"labels": ["no", "yes"]}'),
        ("classifier/model.safetensors", "parent"),
        ("classifier/config.json", "{}"),
        ("evaluation/evaluation.json", "{}"),
        ("toy.py", CODE),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return Entry(
        digest="d" * 64,
        candidate=tmp_path / "candidate",
        classifier=tmp_path / "classifier",
        evaluation=tmp_path / "evaluation" / "evaluation.json",
        code=tmp_path / "toy.py",
        labels=["no", "yes"],
        data_version="v1",
        fingerprint="f" * 64,
        params={"seed": 20, "collect": {"labels": ["no", "yes"], "renames": {"ein Wort!": "yes"}}},
        metrics={"macro_f1": 0.75, "per_source": {"tweet": {"macro_f1": 0.7}}},
        histories={"pretrain": [], "finetune": [{"step": 10, "loss": 0.9}, {"step": 20, "loss": 0.5, "macro_f1": 0.7}]},
    )


def test_a_candidate_is_registered_once(mlflow_uri: str, entry: Entry) -> None:
    models = Models(mlflow_uri)
    other = dataclasses.replace(entry, digest="e" * 64)

    assert [models.register(entry), models.register(entry), models.register(other), models.register(entry)] == ["1", "1", "2", "1"]


def test_a_version_carries_digests_data_params_figures_and_history(
    mlflow_uri: str, entry: Entry, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = dict(os.environ)
    Models(mlflow_uri).register(entry)
    assert capfd.readouterr().out == ""
    assert dict(os.environ) == before

    with tracking.pointed(mlflow_uri) as client:
        version = client.get_model_version("tonewatch", "1")
        run = client.get_run(version.run_id)
        losses = client.get_metric_history(version.run_id, "finetune.loss")
        artefacts = [item.path for folder in ("classifier", "evaluation") for item in client.list_artifacts(version.run_id, folder)]

    assert version.tags["candidate"] == "d" * 64
    assert version.tags["sha256/candidate/model.onnx"] == hashlib.sha256(b"weights").hexdigest()
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "20", "collect.labels.0": "no", "collect.labels.1": "yes", "collect.renames.ein_Wort_": "yes"}
    assert run.data.metrics["macro_f1"] == 0.75
    assert run.data.metrics["per_source.tweet.macro_f1"] == 0.7
    assert [(metric.step, metric.value) for metric in losses] == [(10, 0.9), (20, 0.5)]
    assert run.inputs.dataset_inputs[0].dataset.digest == "f" * 36
    assert artefacts == ["classifier/config.json", "classifier/model.safetensors", "evaluation/evaluation.json"]
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(tmp_path / ".tonewatch" / "mlflow-artifacts")


def test_a_bare_client_loads_the_champion_and_its_signature_without_pickle(mlflow_uri: str, entry: Entry) -> None:
    import mlflow
    import pandas

    models = Models(mlflow_uri)
    models.project(models.register(entry), None)

    with tracking.pointed(mlflow_uri):
        model = mlflow.pyfunc.load_model("models:/tonewatch@champion")
    answers = model.predict(pandas.DataFrame({"text": ["so good", "so-so"]}))

    assert answers.to_dict("list") == {"label": ["yes", "no"], "no": [0.25, 0.75], "yes": [0.75, 0.25]}
    assert model.metadata.get_input_schema().input_names() == ["text"]
    assert model.metadata.get_output_schema().input_names() == ["label", "no", "yes"]
    assert not list((entry.candidate.parent / ".tonewatch").rglob("*.pkl"))


def test_aliases_follow_and_the_previous_one_can_go_away(mlflow_uri: str, entry: Entry) -> None:
    models = Models(mlflow_uri)
    assert models.aliases() == {}
    models.register(entry)
    models.register(dataclasses.replace(entry, digest="e" * 64))

    models.project("2", "1")
    assert models.aliases() == {"champion": "2", "previous": "1"}
    models.project("1", None)
    assert models.aliases() == {"champion": "1"}


def test_the_candidate_comes_back_byte_for_byte(mlflow_uri: str, entry: Entry, tmp_path: Path) -> None:
    models = Models(mlflow_uri)
    version = models.register(entry)
    folder = tmp_path / "fetched"
    folder.mkdir()

    models.fetch(version, folder, ["model.onnx", "model.json"])

    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "model.onnx": "weights",
        "model.json": '{"labels": ["no", "yes"]}',
    }


def test_a_version_that_lost_a_file_says_which(mlflow_uri: str, entry: Entry, tmp_path: Path) -> None:
    models = Models(mlflow_uri)
    version = models.register(entry)
    for lost in (tmp_path / ".tonewatch").rglob("model.onnx"):
        lost.unlink()

    with pytest.raises(Fault, match=r"model\.onnx"):
        models.fetch(version, tmp_path, ["model.onnx"])


def test_a_registration_that_was_killed_leaves_no_version_and_its_run_is_closed(mlflow_uri: str, entry: Entry) -> None:
    with tracking.pointed(mlflow_uri) as client:
        begun = client.create_run(tracking.experiment(client, mlflow_uri), tags={"candidate": entry.digest}).info.run_id

    assert Models(mlflow_uri).register(entry) == "1"

    with tracking.pointed(mlflow_uri) as client:
        assert client.get_run(begun).info.status == "KILLED"
        assert client.get_model_version("tonewatch", "1").run_id != begun


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////dev/null/mlflow.db", "postgresql://user:secret@127.0.0.1:9/mlflow"])
def test_a_registry_that_is_down_is_told_within_seconds_and_without_its_password(uri: str) -> None:
    start = time.monotonic()
    with pytest.raises(Fault, match="MLFLOW_TRACKING_URI") as caught:
        Models(uri).aliases()
    assert time.monotonic() - start < 10
    assert "secret" not in str(caught.value)
