"""What is registered of a candidate, and how it is logged in MLflow."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.tasks import SINGLE_LABEL, TaskName, reads_targets
from pipeline.base.tasks.answers import answer_column
from pipeline.io import files
from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.model_code import copy_model_code, model_requirements

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOGGED_MODEL = "tonewatch"
CANDIDATE = "candidate"  # the tag that holds the digest of the candidate's files
SIGNATURE = "signature/model.sig"
MENU = "menu.json"  # logged for people, never served


@dataclass(frozen=True)
class ModelRegistration:
    """What is registered: the folders of candidate and classifier, evaluation.json, and what is logged.

    `code` is the Python file that serves the candidate ("models from code"); `signature` the text of the
    signature over its files, if there is one. A release that is registered again has no `classifier`.
    """

    digest: str
    candidate: Path
    classifier: Path | None
    evaluation: Path
    code: Path
    labels: Sequence[str]
    data_version: str
    fingerprint: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    histories: Mapping[str, Sequence[Mapping[str, float]]]
    signature: str | None = None
    task: TaskName = SINGLE_LABEL


def served_files(candidate: Mapping[str, str]) -> dict[str, str]:
    """Return the digests, by name, of the files that are copied, registered, signed and served."""
    return {name: digest for name, digest in candidate.items() if name != MENU}


def log_model(client: "MlflowClient", run: str, entry: ModelRegistration) -> Any:
    """Log everything of a candidate into a run; return MLflow's info of the logged model."""
    import mlflow

    mlflow_tracking.log_numbers(client, run, params=entry.params, metrics=entry.metrics)
    for training, history in entry.histories.items():
        mlflow_tracking.log_history(client, run, training, history)
    if entry.fingerprint:
        mlflow_tracking.log_data(data_version=entry.data_version, fingerprint=entry.fingerprint)
    names = files.folder_digests(entry.candidate)
    for path in (entry.evaluation, *(entry.candidate / name for name in names if name == MENU)):
        client.log_artifact(run, str(path), "evaluation")
    if entry.signature:
        log_signature(client, run, entry.signature)
    if entry.classifier:
        for name in files.folder_digests(entry.classifier):
            client.log_artifact(run, str(entry.classifier / name), "classifier")
    with tempfile.TemporaryDirectory() as folder:
        return mlflow.pyfunc.log_model(
            name=LOGGED_MODEL,
            python_model=str(entry.code),
            code_paths=[str(copy_model_code(Path(folder)))],
            artifacts={name: str(entry.candidate / name) for name in served_files(names)},
            signature=_signature(entry.labels, entry.task),
            pip_requirements=model_requirements(),
        )


def log_signature(client: "MlflowClient", run: str, signature: str) -> None:
    """Log the text of a signature."""
    client.log_text(run, signature, SIGNATURE)


def _signature(labels: Sequence[str], task: TaskName) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    outputs = [ColSpec("string", answer_column(task)), *(ColSpec("double", label) for label in labels)]
    columns = ("text", "target") if reads_targets(task) else ("text",)
    return ModelSignature(Schema([ColSpec("string", name) for name in columns]), Schema(outputs))


def candidate_tags(entry: ModelRegistration) -> dict[str, str]:
    """Return the tags of a candidate's run and version: its digest, data version, and that of each file."""
    folders = {
        "candidate": served_files(files.folder_digests(entry.candidate)),
        "classifier": files.folder_digests(entry.classifier) if entry.classifier else {},
    }
    digests = {
        f"sha256/{folder}/{name}": digest
        for folder, digests_by_name in folders.items()
        for name, digest in digests_by_name.items()
    }
    return {
        CANDIDATE: entry.digest,
        "data_version": entry.data_version,
        "fingerprint": entry.fingerprint,
        **digests,
    }
