"""A small workspace to judge and move in: 300 one-word texts, and candidates wrong on every n-th of them."""

from pathlib import Path

import numpy as np
import toy
import yaml

from pipeline.base.config import Workspace
from pipeline.base.documents import ReleaseRecord
from pipeline.base.records import Receipt, TextRecord
from pipeline.core.evaluate.report import NOT_MEASURED, LabelledPredictions, evaluation_report
from pipeline.io import files, parquet
from pipeline.io.params_file import load_params
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.release import judge, promote, register

CHECKOUT = Path(__file__).parents[2]
LABELS = toy.LABELS
TEXTS = [
    TextRecord(f"t{n}", f"word{n}", LABELS[n % 3], "tweet", f"g{n}", "en", "", "MIT") for n in range(300)
]
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


def build(root: Path, mlflow_uri: str, ledger: str | None = None) -> Workspace:
    """Write everything that a candidate is judged by, but no candidate."""
    params = yaml.safe_load((CHECKOUT / "params.yaml").read_text("utf-8"))
    params["evaluate"] |= {"resamples": 200, "behaviour": {"max_cases": 1, "words": {}, "abilities": []}}
    params["gate"] |= {"resamples": 500, "abilities": {}, "max_calibration_error": 1.0, "reserve": 0.0}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    (root / "dvc.lock").write_text("stages: {}\n")
    (root / "serving.py").write_text(CODE)
    with files.staging_dir(root / "data" / "splits") as staging:
        parquet.write_texts(staging / "test.parquet", TEXTS)
        files.write_receipt(staging, Receipt("split", notes={"fingerprint": "f" * 64}))
    with files.staging_dir(root / "data" / "validation") as staging:
        files.write_json(
            staging / "checks.json",
            [{"name": "label set", "passed": True, "sentence": "label set: 0", "found": 0.0, "limit": 0}],
        )
        files.write_receipt(staging, Receipt("validate"))
    with files.staging_dir(root / "data" / "classifier") as staging:
        (staging / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
        files.write_receipt(staging, Receipt("finetune"))
    return Workspace(root, mlflow_uri, ledger or f"sqlite:///{root}/.tonewatch/ledger.db")


def set_gate(places: Workspace, **values: object) -> None:
    """Change keys of the gate in params.yaml."""
    params = yaml.safe_load(places.params.read_text("utf-8"))
    params["gate"] |= values
    places.params.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def set_watch(places: Workspace, **sections: dict[str, object]) -> None:
    """Change keys of sections of the watch in params.yaml."""
    params = yaml.safe_load(places.params.read_text("utf-8"))
    for name, values in sections.items():
        params["watch"][name] |= values
    places.params.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def predictions(wrong: int) -> dict[str, str]:
    """Return the prediction for each text: its label, or the next one for every `wrong`-th text."""
    return {
        text.text: text.label if number % wrong else LABELS[(number + 1) % 3]
        for number, text in enumerate(TEXTS)
    }


def candidate(places: Workspace, *, wrong: int, predicted: dict[str, str] | None = None) -> None:
    """Write what compress and evaluate write of a candidate that is wrong on every `wrong`-th text.

    Or of one that predicts exactly what is `predicted`.
    """
    predicted = predicted or predictions(wrong)
    toy.candidate(places.root / "data" / "candidate", predicted)
    predicted_N, truth = (
        [LABELS.index(label) for label in column]
        for column in (predicted.values(), [text.label for text in TEXTS])
    )
    probabilities = [[0.909 if label == number else 0.0455 for number in range(3)] for label in predicted_N]
    groups, words = [text.group for text in TEXTS], [text.text for text in TEXTS]
    answered = LabelledPredictions(
        labels=LABELS,
        truth=truth,
        predicted=predicted_N,
        probabilities=np.array(probabilities),
        groups=groups,
        sources=["tweet"] * 300,
        langs=["en"] * 300,
        texts=words,
        temperature=1.0,
    )
    params = load_params(places.params)
    with files.staging_dir(places.root / "data" / "evaluation") as staging:
        baselines = {"tfidf": [0] * len(TEXTS), "vader": [1] * len(TEXTS)}
        document = evaluation_report(
            answered, baselines=baselines, robustness=NOT_MEASURED, cfg=params.evaluate, seed=params.seed
        )
        files.write_json(staging / "evaluation.json", document)
        columns = {
            "id": [t.id for t in TEXTS],
            "group": groups,
            "label": [t.label for t in TEXTS],
            "predicted": list(predicted.values()),
        }
        parquet.write_rows(staging / "predictions.parquet", columns)
        files.write_receipt(staging, Receipt("evaluate"))


def judged(
    places: Workspace, *, wrong: int, data_version: str = "v1", predicted: dict[str, str] | None = None
) -> ReleaseRecord:
    """Write a candidate, register it and judge it."""
    candidate(places, wrong=wrong, predicted=predicted)
    version = register.register(places, data_version, code=places.root / "serving.py")
    return judge.judge(places, judge.CandidateLineage(data_version, version, "c" * 40), **WHO)


def serve(places: Workspace, *, wrong: int) -> ReleaseRecord:
    """Judge a candidate and promote it."""
    document = judged(places, wrong=wrong)
    promote.release(places, document, **WHO)
    return document


def in_service(places: Workspace) -> tuple[str | None, dict[str, str]]:
    """Return the champion by the ledger and the aliases by MLflow."""
    return Ledger(places.ledger).champion(), ModelRegistry(places.mlflow).aliases()
