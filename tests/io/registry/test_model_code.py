"""A registered model needs its own requirements only, and predicts exactly what the service predicts."""

import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import entries
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from service_process import end_process

from pipeline.inference.load import load_predictor
from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.io.registry.model_code import MODULES

TEXTS = ["good", "so-so", "unheard of", "<b>good</b> &amp; caf\u00c3\u00a9", "so-so " * 200, ""]
# As versions were logged before they carried their code.
EARLIER_CODE = """
from pathlib import Path
import mlflow, pandas

class Scorer(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        from pipeline.stages.prediction import open_predictor
        self.predictor = open_predictor(Path(context.artifacts["model.json"]).parent)

    def predict(self, context, model_input: pandas.DataFrame, params=None) -> pandas.DataFrame:
        return pandas.DataFrame({"label": self.predictor.predict(list(model_input["text"])).labels})

mlflow.models.set_model(Scorer())
"""
PREDICT = """
import json, sys
import mlflow, pandas

model = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps(model.predict(pandas.DataFrame({"text": json.load(sys.stdin)})).to_dict("records")))
"""
INSTALLED = """
from importlib.util import find_spec
print([name for name in ("torch", "dvc", "transformers", "pipeline", "flows") if find_spec(name)])
"""


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, list[dict[str, Any]]]:
    """Register a model; return MLflow's URI, the folder of the version, and the service's predictions."""
    root = tmp_path_factory.mktemp("registered")
    uri = f"sqlite:///{root}/.tonewatch/mlflow.db"
    (root / ".tonewatch").mkdir()
    entry = entries.entry(root, {"so-so": "no", "good": "yes"}, labels=["no", "yes"])
    ModelRegistry(uri).register(entry)
    (folder,) = (path.parent for path in (root / ".tonewatch").rglob("MLmodel"))
    predictions = load_predictor(entry.candidate).predict(TEXTS)
    rows = zip(predictions.labels, predictions.probabilities.tolist(), strict=True)
    return uri, folder, [{"label": label, "no": row[0], "yes": row[1]} for label, row in rows]


@pytest.fixture(scope="module")
def fresh_python(registered: tuple[str, Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment of the model's requirements and theirs; packages are linked, not downloaded."""
    venv = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    for name in _closure((registered[1] / "requirements.txt").read_text().split()):
        _link(importlib.metadata.distribution(name), site)
    # MLflow starts the server as `uvicorn`.
    server = venv / "bin" / "uvicorn"
    server.write_text(f"#!{venv}/bin/python\nimport uvicorn.main\nuvicorn.main.main()\n")
    server.chmod(0o755)
    return venv / "bin" / "python"


def _closure(requirements: list[str]) -> set[str]:
    closure: set[str] = set()
    pending = [(Requirement(line), "") for line in requirements]
    assert all(one.specifier.contains(importlib.metadata.version(one.name)) for one, _ in pending)
    while pending:
        requirement, extra = pending.pop()
        name = canonicalize_name(requirement.name)
        if name in closure or (requirement.marker and not requirement.marker.evaluate({"extra": extra})):
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        closure.add(name)
        lines = [Requirement(line) for line in distribution.requires or ()]
        pending += [(line, one) for one in ("", *requirement.extras) for line in lines]
    return closure


def _link(distribution: importlib.metadata.Distribution, site: Path) -> None:
    """Link the top-level files and folders of a distribution; a namespace package is a folder of links."""
    installed = Path(str(distribution.locate_file("")))
    for file in distribution.files or ():
        parts = file.parts
        if parts[0] == "..":
            continue
        depth = 1
        while depth < len(parts) and not _is_unit(installed.joinpath(*parts[:depth])):
            depth += 1
        link = site.joinpath(*parts[:depth])
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(installed.joinpath(*parts[:depth]))


def _is_unit(folder: Path) -> bool:
    return (folder / "__init__.py").exists() or folder.suffix in (".dist-info", ".libs")


def environment(python: Path) -> dict[str, str]:
    return {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def test_a_version_carries_its_code_and_no_path_of_this_machine(
    registered: tuple[str, Path, Any],
) -> None:
    _, folder, _ = registered
    code = folder / "code" / "pipeline"

    assert {str(path.relative_to(code)) for path in code.rglob("*.py") if path.name != "__init__.py"} == {
        *MODULES
    }
    assert not [
        path
        for path in (*code.rglob("*.py"), folder / "mlflow_model.py", folder / "requirements.txt")
        if str(Path(__file__).parents[3]) in path.read_text() or "/tmp/" in path.read_text()
    ]


def test_it_predicts_equally_with_nothing_but_its_requirements(
    registered: tuple[str, Path, list[dict[str, Any]]], fresh_python: Path, tmp_path: Path
) -> None:
    _, folder, expected = registered
    env = environment(fresh_python)

    installed = subprocess.run(
        [fresh_python, "-c", INSTALLED], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    process = subprocess.run(
        [fresh_python, "-c", PREDICT, str(folder)],
        cwd=tmp_path,
        env=env,
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=False,
    )

    assert installed.stdout.strip() == "[]"
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout.splitlines()[-1]) == expected


@pytest.fixture
def scoring_server(registered: tuple[str, Path, Any], fresh_python: Path, tmp_path: Path) -> Iterator[str]:
    """Run `mlflow models serve` in the fresh environment, and return its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    options = ["-m", str(registered[1]), "--env-manager", "local", "-h", "127.0.0.1", "-p", port]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [fresh_python, "-m", "mlflow", "models", "serve", *options],
            cwd=tmp_path,
            env=environment(fresh_python),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5)
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "server.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        end_process(server)  # and the workers it started


@pytest.mark.slow
def test_mlflow_models_serve_predicts_equally_in_the_fresh_environment(
    scoring_server: str, registered: tuple[str, Path, list[dict[str, Any]]]
) -> None:
    body = json.dumps({"dataframe_records": [{"text": text} for text in TEXTS]}).encode()
    request = urllib.request.Request(
        f"{scoring_server}/invocations", body, {"Content-Type": "application/json"}
    )

    with urllib.request.urlopen(request, timeout=30) as response:
        assert json.load(response) == {"predictions": registered[2]}


def test_loading_a_version_leaves_the_modules_of_a_running_process(
    registered: tuple[str, Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    import pandas as pd

    _, folder, expected = registered
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    before = {name: id(module) for name, module in sys.modules.items() if name.startswith("pipeline")}

    model = mlflow.pyfunc.load_model(str(folder))

    assert model.predict(pd.DataFrame({"text": TEXTS})).to_dict("records") == expected
    after = {name: id(module) for name, module in sys.modules.items() if name.startswith("pipeline")}
    assert {name: after[name] for name in before} == before
    assert {
        Path(str(sys.modules[name].__file__)).is_relative_to(Path(__file__).parents[3]) for name in after
    } == {True}


BOTH = """
import sys
import mlflow, pandas

for folder in sys.argv[1:]:
    model = mlflow.pyfunc.load_model(folder)
    print(list(model.predict(pandas.DataFrame({"text": ["good", "so-so"]}))["label"]))
import pipeline.cli.app
"""


def test_versions_with_and_without_code_load_in_one_process(
    registered: tuple[str, Path, Any], tmp_path: Path
) -> None:
    import mlflow

    _, folder, _ = registered
    code = tmp_path / "pyfunc.py"
    code.write_text(EARLIER_CODE)
    artifacts = {path.name: str(path) for path in (folder / "artifacts").iterdir()}
    with mlflow_tracking.mlflow_at(registered[0]):
        mlflow.pyfunc.save_model(
            str(tmp_path / "earlier"),
            python_model=str(code),
            artifacts=artifacts,
            pip_requirements=["mlflow"],
        )

    folders = [str(folder), str(tmp_path / "earlier"), str(folder)]
    env = environment(Path(sys.executable))
    process = subprocess.run(
        [sys.executable, "-c", BOTH, *folders],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-3:] == ["['yes', 'no']"] * 3
