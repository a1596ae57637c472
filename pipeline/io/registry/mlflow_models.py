"""The registered model `tonewatch`: one version per candidate, and the aliases that follow the ledger."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.errors import Fault
from pipeline.io import files
from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.model_code import copy_model_code, model_requirements
from pipeline.io.security import model_files

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "tonewatch"
CANDIDATE = "candidate"  # the tag that holds the digest of the candidate's files
ALIASES = ("champion", "previous")
SIGNATURE = "signature/model.sig"
MENU = "menu.json"  # logged for people, never served


@dataclass(frozen=True)
class ModelRegistration:
    """What is registered: the folders of candidate and classifier, evaluation.json, and what is logged.

    `code` is the Python file that serves the candidate ("models from code"); `signature` the text of the
    signature over its files, if there is one.
    """

    digest: str
    candidate: Path
    classifier: Path
    evaluation: Path
    code: Path
    labels: Sequence[str]
    data_version: str
    fingerprint: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    histories: Mapping[str, Sequence[Mapping[str, float]]]
    signature: str | None = None


def served_files(candidate: Mapping[str, str]) -> dict[str, str]:
    """Return the digests, by name, of the files that are copied, registered, signed and served."""
    return {name: digest for name, digest in candidate.items() if name != MENU}


class ModelRegistry:
    """The registered model of one MLflow, read and extended."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def register(self, entry: ModelRegistration) -> str:
        """Register a candidate and return its version; one with the same digest is registered once.

        Raises UnsafeModelFile, and logs nothing, where a file may not be part of a model.
        """
        for folder in (entry.candidate, entry.classifier):
            model_files.inspect_folder(folder)
        model_files.inspect_file(entry.evaluation)
        with mlflow_tracking.mlflow_at(self._uri) as client:
            version = self._find(client, entry.digest)
            if version and entry.signature:
                _log_signature(client, client.get_model_version(NAME, version).run_id, entry.signature)
            return version or self._create(client, entry)

    def describe(self, version: str, description: str, tags: Mapping[str, str]) -> None:
        """Set the description and the tags of a version where they differ."""
        with mlflow_tracking.mlflow_at(self._uri) as client:
            current = client.get_model_version(NAME, version)
            if current.description != description:
                client.update_model_version(NAME, version, description)
            for name, value in tags.items():
                if current.tags.get(name) != value:
                    client.set_model_version_tag(NAME, version, name, value)

    def project(self, champion: str, previous: str | None) -> None:
        """Set both aliases to these versions; without a previous one, delete its alias."""
        with mlflow_tracking.mlflow_at(self._uri) as client:
            client.set_registered_model_alias(NAME, "champion", champion)
            if previous is None:
                client.delete_registered_model_alias(NAME, "previous")
            else:
                client.set_registered_model_alias(NAME, "previous", previous)

    def aliases(self) -> dict[str, str]:
        """Return the version of each of our aliases."""
        with mlflow_tracking.mlflow_at(self._uri) as client:
            if not client.search_registered_models(f"name='{NAME}'"):
                return {}
            aliases = client.get_registered_model(NAME).aliases
            return {alias: str(version) for alias, version in aliases.items() if alias in ALIASES}

    def fetch(self, version: str, folder: Path, names: Sequence[str]) -> None:
        """Download these files of a version into a folder and inspect them; the caller checks their digests.

        Raises UnsafeModelFile where a name or a file may not be part of a model.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        model_files.check_names(names)
        with mlflow_tracking.mlflow_at(self._uri), tempfile.TemporaryDirectory() as staging:
            for name in names:
                try:
                    path = mlflow.artifacts.download_artifacts(
                        f"models:/{NAME}/{int(version)}/artifacts/{name}", dst_path=staging
                    )
                except (OSError, ValueError, MlflowException) as error:
                    raise Fault(
                        f"Version {version} of the registered model {NAME} does not provide its file {name}."
                    ) from error
                model_files.inspect_file(Path(path))
                shutil.move(path, folder / name)

    def _find(self, client: "MlflowClient", digest: str) -> str | None:
        versions = client.search_model_versions(f"name='{NAME}' and tags.`{CANDIDATE}` = '{digest}'")
        return str(min(int(version.version) for version in versions)) if versions else None

    def _create(self, client: "MlflowClient", entry: ModelRegistration) -> str:
        import mlflow

        experiment = mlflow_tracking.ensure_experiment(client, self._uri)
        # A killed registration leaves its run open.
        for run in client.search_runs(
            [experiment], f"tags.`{CANDIDATE}` = '{entry.digest}' and status = 'RUNNING'"
        ):
            client.set_terminated(run.info.run_id, "KILLED")
        tags = _tags(entry)
        with mlflow.start_run(
            experiment_id=experiment, run_name=f"{entry.data_version}-{entry.digest[:8]}", tags=tags
        ) as run:
            model = _log(client, run.info.run_id, entry)
        if not client.search_registered_models(f"name='{NAME}'"):
            client.create_registered_model(NAME)
        version = client.create_model_version(
            NAME, model.model_uri, run.info.run_id, tags, model_id=model.model_id
        )
        return str(version.version)


def _log(client: "MlflowClient", run: str, entry: ModelRegistration) -> Any:
    import mlflow

    mlflow_tracking.log_numbers(client, run, params=entry.params, metrics=entry.metrics)
    for training, history in entry.histories.items():
        mlflow_tracking.log_history(client, run, training, history)
    mlflow_tracking.log_data(data_version=entry.data_version, fingerprint=entry.fingerprint)
    names = files.folder_digests(entry.candidate)
    for path in (entry.evaluation, *(entry.candidate / name for name in names if name == MENU)):
        client.log_artifact(run, str(path), "evaluation")
    if entry.signature:
        _log_signature(client, run, entry.signature)
    for name in files.folder_digests(entry.classifier):
        client.log_artifact(run, str(entry.classifier / name), "classifier")
    with tempfile.TemporaryDirectory() as folder:
        return mlflow.pyfunc.log_model(
            name=NAME,
            python_model=str(entry.code),
            code_paths=[str(copy_model_code(Path(folder)))],
            artifacts={name: str(entry.candidate / name) for name in served_files(names)},
            signature=_signature(entry.labels),
            pip_requirements=model_requirements(),
        )


def _log_signature(client: "MlflowClient", run: str, signature: str) -> None:
    client.log_text(run, signature, SIGNATURE)


def _signature(labels: Sequence[str]) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    outputs = [ColSpec("string", "label"), *(ColSpec("double", label) for label in labels)]
    return ModelSignature(Schema([ColSpec("string", "text")]), Schema(outputs))


def _tags(entry: ModelRegistration) -> dict[str, str]:
    folders = {
        "candidate": served_files(files.folder_digests(entry.candidate)),
        "classifier": files.folder_digests(entry.classifier),
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
