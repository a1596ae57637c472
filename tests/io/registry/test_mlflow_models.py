"""The registered model on a real MLflow over SQLite."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import canaries
import entries
import pytest
from service_process import end_process

from pipeline.base.errors import Fault, Unreachable, UnsafeModelFile
from pipeline.inference.load import load_predictor
from pipeline.io import files
from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.mlflow_models import ModelRegistration, ModelRegistry


@pytest.fixture
def entry(tmp_path: Path) -> ModelRegistration:
    return entries.entry(tmp_path, {"so-so": "no", "good": "yes"}, labels=["no", "yes"])


def test_a_candidate_is_registered_once(mlflow_uri: str, entry: ModelRegistration) -> None:
    models = ModelRegistry(mlflow_uri)
    other = dataclasses.replace(entry, digest="e" * 64)

    assert [
        models.register(entry),
        models.register(entry),
        models.register(other),
        models.register(entry),
    ] == ["1", "1", "2", "1"]


def test_a_version_holds_digests_data_params_metrics_and_history(
    mlflow_uri: str, entry: ModelRegistration, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = dict(os.environ)
    ModelRegistry(mlflow_uri).register(entry)
    assert capfd.readouterr().out == ""
    assert dict(os.environ) == before

    with mlflow_tracking.mlflow_at(mlflow_uri) as client:
        version = client.get_model_version("tonewatch", "1")
        run = client.get_run(version.run_id)
        losses = client.get_metric_history(version.run_id, "finetune.loss")
        artefacts = [
            item.path
            for folder in ("classifier", "evaluation")
            for item in client.list_artifacts(version.run_id, folder)
        ]

    assert version.tags["candidate"] == "d" * 64
    assert version.tags["sha256/candidate/model.onnx"] == files.sha256(entry.candidate / "model.onnx")
    assert "sha256/candidate/menu.json" not in version.tags
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "seed": "20",
        "collect.labels.0": "no",
        "collect.labels.1": "yes",
        "collect.label_map.ein_Wort_": "yes",
    }
    assert run.data.metrics["macro_f1"] == 0.75
    assert run.data.metrics["per_source.tweet.macro_f1"] == 0.7
    assert [(metric.step, metric.value) for metric in losses] == [(10, 0.9), (20, 0.5)]
    assert run.inputs.dataset_inputs[0].dataset.digest == "f" * 36
    assert artefacts == [
        *("classifier/config.json", "classifier/model.safetensors"),
        *("evaluation/evaluation.json", "evaluation/menu.json"),
    ]
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(
        tmp_path / ".tonewatch" / "mlflow-artifacts"
    )


TEXTS = ["good", "so-so", "unheard of"]


@pytest.fixture
def expected(entry: ModelRegistration) -> list[dict[str, Any]]:
    """Predict with the predictor of the service."""
    predictions = load_predictor(entry.candidate).predict(TEXTS)
    return [
        {"label": label, "no": pytest.approx(row[0]), "yes": pytest.approx(row[1])}
        for label, row in zip(predictions.labels, predictions.probabilities.tolist(), strict=True)
    ]


@pytest.fixture
def champion(mlflow_uri: str, entry: ModelRegistration) -> str:
    models = ModelRegistry(mlflow_uri)
    models.project(models.register(entry), None)
    return "models:/tonewatch@champion"


BARE = """
import json, sys
import mlflow, pandas

mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
print(json.dumps(model.predict(pandas.DataFrame({"text": json.loads(sys.argv[3])})).to_dict("records")))
print(model.metadata.get_input_schema().input_names(), model.metadata.get_output_schema().input_names())
"""


def bare(**variables: str) -> dict[str, str]:
    """Return an environment without MLflow's variables but these, and with pickles forbidden."""
    quiet = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return (
        {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        | quiet
        | variables
    )


def test_a_bare_client_of_mlflow_loads_the_champion_without_pickle(
    mlflow_uri: str, champion: str, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", BARE, mlflow_uri, champion, json.dumps(TEXTS)]

    process = subprocess.run(
        command, cwd=tmp_path, env=bare(), capture_output=True, text=True, timeout=120, check=False
    )

    assert process.returncode == 0, process.stderr
    predictions, schema = process.stdout.splitlines()[-2:]
    assert json.loads(predictions) == expected
    assert schema == "['text'] ['label', 'no', 'yes']"
    assert not list((tmp_path / ".tonewatch").rglob("*.pkl"))


@pytest.fixture
def scoring_server(mlflow_uri: str, champion: str, tmp_path: Path) -> Iterator[str]:
    """Start MLflow's scoring server on the champion and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # it calls uvicorn by name
    environment = bare(MLFLOW_TRACKING_URI=mlflow_uri, PATH=path)
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        champion,
        "--env-manager",
        "local",
        "-h",
        "127.0.0.1",
    ]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "-p", str(port)],
            env=environment,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5)
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        end_process(server)  # and the workers it started


@pytest.mark.slow
def test_mlflows_scoring_server_predicts_the_same(
    scoring_server: str, expected: list[dict[str, Any]]
) -> None:
    body = json.dumps({"dataframe_records": [{"text": text} for text in TEXTS]}).encode()
    request = urllib.request.Request(
        f"{scoring_server}/invocations", body, {"Content-Type": "application/json"}
    )

    with urllib.request.urlopen(request, timeout=30) as response:
        assert json.load(response) == {"predictions": expected}


def test_an_unsafe_file_is_rejected_before_mlflow_is_called(entry: ModelRegistration, tmp_path: Path) -> None:
    nowhere = ModelRegistry("sqlite:////dev/null/mlflow.db")
    with pytest.raises(Unreachable):
        nowhere.register(entry)
    for path in (
        entry.candidate / "tokenizer.json",
        entry.classifier / "model.safetensors",
        entry.evaluation,
    ):
        content = path.read_bytes()
        for kind in canaries.KINDS:
            path.write_bytes(kind(tmp_path / "canary"))
            with pytest.raises(UnsafeModelFile, match=path.name):
                nowhere.register(entry)
        path.write_bytes(content)

    assert not (tmp_path / "canary").exists()


def test_a_pickle_in_mlflows_store_is_rejected_by_every_client(
    mlflow_uri: str, champion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    (stored,) = (path for path in (tmp_path / ".tonewatch").rglob("tokenizer.json"))
    (tmp_path / "fetched").mkdir()
    for kind in canaries.KINDS:
        stored.write_bytes(kind(tmp_path / "canary"))
        with mlflow_tracking.mlflow_at(mlflow_uri), pytest.raises(UnsafeModelFile, match=r"tokenizer\.json"):
            mlflow.pyfunc.load_model(champion)
        with pytest.raises(UnsafeModelFile, match=r"tokenizer\.json"):
            ModelRegistry(mlflow_uri).fetch("1", tmp_path / "fetched", ["tokenizer.json"])

    assert not (tmp_path / "canary").exists()
    assert list((tmp_path / "fetched").iterdir()) == []


@pytest.mark.parametrize(
    ("version", "name"),
    [("1", "../MLmodel"), ("1", "/etc/passwd"), ("1/../2", "model.json"), ("..", "model.json")],
)
def test_a_version_or_name_with_a_path_is_rejected(
    mlflow_uri: str, version: str, name: str, tmp_path: Path
) -> None:
    with pytest.raises(Fault, match=r"may not be part of a model|does not provide its file"):
        ModelRegistry(mlflow_uri).fetch(version, tmp_path, [name])


def test_aliases_are_set_and_the_previous_one_deleted(mlflow_uri: str, entry: ModelRegistration) -> None:
    models = ModelRegistry(mlflow_uri)
    assert models.aliases() == {}
    models.register(entry)
    models.register(dataclasses.replace(entry, digest="e" * 64))

    models.project("2", "1")
    assert models.aliases() == {"champion": "2", "previous": "1"}
    models.project("1", None)
    assert models.aliases() == {"champion": "1"}


def test_a_candidate_is_fetched_byte_for_byte(
    mlflow_uri: str, entry: ModelRegistration, tmp_path: Path
) -> None:
    models = ModelRegistry(mlflow_uri)
    version = models.register(entry)
    folder = tmp_path / "fetched"
    folder.mkdir()

    models.fetch(version, folder, ["model.onnx", "model.json"])

    assert {path.name for path in folder.iterdir()} == {"model.onnx", "model.json"}
    assert all(path.read_bytes() == (entry.candidate / path.name).read_bytes() for path in folder.iterdir())


def test_a_version_without_a_file_is_a_fault_that_names_it(
    mlflow_uri: str, entry: ModelRegistration, tmp_path: Path
) -> None:
    models = ModelRegistry(mlflow_uri)
    version = models.register(entry)
    for lost in (tmp_path / ".tonewatch").rglob("model.onnx"):
        lost.unlink()

    with pytest.raises(Fault, match=r"model\.onnx"):
        models.fetch(version, tmp_path, ["model.onnx"])


def test_the_run_of_a_killed_registration_is_closed(mlflow_uri: str, entry: ModelRegistration) -> None:
    with mlflow_tracking.mlflow_at(mlflow_uri) as client:
        run = client.create_run(
            mlflow_tracking.ensure_experiment(client, mlflow_uri), tags={"candidate": entry.digest}
        ).info.run_id

    assert ModelRegistry(mlflow_uri).register(entry) == "1"

    with mlflow_tracking.mlflow_at(mlflow_uri) as client:
        assert client.get_run(run).info.status == "KILLED"
        assert client.get_model_version("tonewatch", "1").run_id != run


@pytest.mark.slow
def test_concurrent_threads_leave_the_environment_as_it_was(tmp_path: Path) -> None:
    stores = [f"sqlite:///{tmp_path}/{name}/mlflow.db" for name in ("one", "two", "three")]
    before, inside = dict(os.environ), threading.Barrier(3)

    def read(store: str) -> str:
        inside.wait()
        with mlflow_tracking.mlflow_at(store):
            time.sleep(0.05)
            return os.environ["MLFLOW_REGISTRY_URI"]

    with ThreadPoolExecutor(3) as threads:
        for _ in range(3):
            assert list(threads.map(read, stores)) == stores
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:9", "sqlite:////dev/null/mlflow.db", "postgresql://user:secret@127.0.0.1:9/mlflow"],
)
def test_a_registry_that_is_down_fails_within_seconds_and_hides_the_password(uri: str) -> None:
    start = time.monotonic()
    with pytest.raises(Fault, match="MLFLOW_TRACKING_URI") as error:
        ModelRegistry(uri).aliases()
    assert time.monotonic() - start < 10
    assert "secret" not in str(error.value)
