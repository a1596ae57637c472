"""The registered model of a workspace: one version per candidate, and the aliases that follow the ledger."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.digests import json_digest
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import Fault
from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.model_registration import (
    CANDIDATE,
    ModelRegistration,
    candidate_tags,
    log_model,
    log_signature,
    served_files,
)
from pipeline.io.security import model_files

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["ModelRegistration", "ModelRegistry", "candidate_digest", "served_files"]
NAME = "tonewatch"  # of the embedded MLflow; in a shared one each workspace has a name of its own
OWNER = "tonewatch.workspace"  # the tag of a registered model that holds the id of its workspace
ALIASES = ("champion", "previous")
CLASSIFIER = "classifier"  # the folder of a run with what the candidate was compressed from
EVALUATION = "evaluation.json"  # part of a release, and not of what is served


def candidate_digest(release: ReleaseRecord) -> str:
    """Return the digest by which a release's version is found: that of its served files."""
    return json_digest({name: digest for name, digest in release["files"].items() if name != EVALUATION})


class ModelRegistry:
    """One registered model of one MLflow, read and extended; its experiment has the same name."""

    def __init__(self, uri: str, name: str = NAME) -> None:
        self._uri = uri
        self.name = name

    def register(self, entry: ModelRegistration) -> str:
        """Register a candidate and return its version; one with the same digest is registered once.

        Raises UnsafeModelFile, and logs nothing, where a file may not be part of a model.
        """
        for folder in (entry.candidate, entry.classifier):
            if folder:
                model_files.inspect_folder(folder)
        model_files.inspect_file(entry.evaluation)
        with mlflow_tracking.mlflow_at(self._uri) as client:
            version = self._find(client, entry.digest)
            if version and entry.signature:
                run = client.get_model_version(self.name, version).run_id
                if client.get_run(run).info.lifecycle_stage != "active":
                    client.restore_run(run)
                log_signature(client, run, entry.signature)
            return version or self._create(client, entry)

    def describe(self, version: str, description: str, tags: Mapping[str, str]) -> None:
        """Set the description and the tags of a version where they differ."""
        with mlflow_tracking.mlflow_at(self._uri) as client:
            current = client.get_model_version(self.name, version)
            if current.description != description:
                client.update_model_version(self.name, version, description)
            for name, value in tags.items():
                if current.tags.get(name) != value:
                    client.set_model_version_tag(self.name, version, name, value)

    def project(self, champion: str | None, previous: str | None) -> None:
        """Set both aliases to these versions; delete that of None."""
        with mlflow_tracking.mlflow_at(self._uri) as client:
            for alias, version in zip(ALIASES, (champion, previous), strict=True):
                if version is None:
                    client.delete_registered_model_alias(self.name, alias)
                else:
                    client.set_registered_model_alias(self.name, alias, version)

    def prepare(self) -> None:
        """Ensure, before a training, that its result can be registered; restore a deleted experiment."""
        with mlflow_tracking.mlflow_at(self._uri) as client:
            mlflow_tracking.ensure_experiment(client, self._uri, self.name)

    def version_of(self, digest: str, recorded: str) -> str | None:
        """Return the version that holds a candidate, by its digest; None where it was deleted.

        Somebody may have deleted the recorded version, or another MLflow may hold another model there.
        """
        with mlflow_tracking.mlflow_at(self._uri) as client:
            versions = client.search_model_versions(f"name='{self.name}' and tags.`{CANDIDATE}` = '{digest}'")
            numbers = sorted(int(version.version) for version in versions)
        return recorded if int(recorded) in numbers else next((str(number) for number in numbers), None)

    def experiment_state(self) -> str | None:
        """Return whether the experiment is `active` or `deleted`, None where there is none."""
        with mlflow_tracking.mlflow_at(self._uri) as client:
            experiment = client.get_experiment_by_name(self.name)
            return str(experiment.lifecycle_stage) if experiment else None

    def run_state(self, version: str) -> str:
        """Return whether the run of a version is `active` or `deleted`."""
        from mlflow.exceptions import MlflowException

        with mlflow_tracking.mlflow_at(self._uri) as client:
            try:
                run = client.get_run(client.get_model_version(self.name, version).run_id)
            except MlflowException:
                return "deleted"  # for good, as by `mlflow gc`
            return str(run.info.lifecycle_stage)

    def claim(self, workspace_id: str, digests: Sequence[str]) -> bool:
        """Return whether the model holds one of these candidates and belongs to no other workspace.

        A model without an owner becomes this workspace's.
        """
        with mlflow_tracking.mlflow_at(self._uri) as client:
            if not any(self._find(client, digest) for digest in digests):
                return False
            owner = client.get_registered_model(self.name).tags.get(OWNER)
            if owner is None:
                client.set_registered_model_tag(self.name, OWNER, workspace_id)
                owner = client.get_registered_model(self.name).tags.get(OWNER)
            return bool(owner == workspace_id)

    def aliases(self) -> dict[str, str]:
        """Return the version of each of our aliases."""
        with mlflow_tracking.mlflow_at(self._uri) as client:
            if not client.search_registered_models(f"name='{self.name}'"):
                return {}
            aliases = client.get_registered_model(self.name).aliases
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
                        f"models:/{self.name}/{int(version)}/artifacts/{name}", dst_path=staging
                    )
                except (OSError, ValueError, MlflowException) as error:
                    raise Fault(
                        f"Version {version} of the registered model {self.name} does not provide its file "
                        f"{name}."
                    ) from error
                model_files.inspect_file(Path(path))
                shutil.move(path, folder / name)

    def fetch_classifier(self, version: str, folder: Path) -> dict[str, str]:
        """Download the classifier of a version into a folder; return the digest of each file by its name.

        The digests are those of the registration; the caller compares. Nothing is returned where the version
        has no classifier, as when it was registered again.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        prefix = f"sha256/{CLASSIFIER}/"
        with mlflow_tracking.mlflow_at(self._uri) as client, tempfile.TemporaryDirectory() as staging:
            held = client.get_model_version(self.name, version)
            digests = {
                tag.removeprefix(prefix): digest
                for tag, digest in held.tags.items()
                if tag.startswith(prefix)
            }
            model_files.check_names(digests)
            try:
                for name in digests:
                    path = mlflow.artifacts.download_artifacts(
                        run_id=held.run_id, artifact_path=f"{CLASSIFIER}/{name}", dst_path=staging
                    )
                    shutil.move(path, folder / name)
            except (OSError, ValueError, MlflowException):
                return {}
        return digests

    def _find(self, client: "MlflowClient", digest: str) -> str | None:
        versions = client.search_model_versions(f"name='{self.name}' and tags.`{CANDIDATE}` = '{digest}'")
        return str(min(int(version.version) for version in versions)) if versions else None

    def _create(self, client: "MlflowClient", entry: ModelRegistration) -> str:
        import mlflow

        experiment = mlflow_tracking.ensure_experiment(client, self._uri, self.name)
        # A killed registration leaves its run open.
        for run in client.search_runs(
            [experiment], f"tags.`{CANDIDATE}` = '{entry.digest}' and status = 'RUNNING'"
        ):
            client.set_terminated(run.info.run_id, "KILLED")
        tags = candidate_tags(entry)
        with mlflow.start_run(
            experiment_id=experiment, run_name=f"{entry.data_version}-{entry.digest[:8]}", tags=tags
        ) as run:
            model = log_model(client, run.info.run_id, entry)
        if not client.search_registered_models(f"name='{self.name}'"):
            client.create_registered_model(self.name)
        version = client.create_model_version(
            self.name, model.model_uri, run.info.run_id, tags, model_id=model.model_id
        )
        return str(version.version)
