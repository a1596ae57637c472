"""The runs and versions of a workspace's own model that no release in use needs."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.model_registration import CANDIDATE
from pipeline.io.removal import Removal, size_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

PAGE = 1000


def unused_runs(
    uri: str, name: str, keep: Collection[str], *, own: Collection[str] | None = None
) -> list[Removal]:
    """Return the runs, with their versions and artifacts, of candidates whose digest is not in `keep`.

    Versions with an alias stay, and runs that are not of a candidate. With `own`, only candidates with a
    digest in it are returned: several workspaces may have registered under one name.
    """
    with mlflow_tracking.mlflow_at(uri) as client:
        experiment = client.get_experiment_by_name(name)
        runs = list(_runs(client, str(experiment.experiment_id))) if experiment else []
        removals = []
        for run in runs:
            digest = run.data.tags.get(CANDIDATE)
            versions = client.search_model_versions(f"name='{name}' and run_id='{run.info.run_id}'")
            if digest is None or digest in keep or any(version.aliases for version in versions):
                continue
            if own is not None and digest not in own:
                continue
            if versions or run.info.lifecycle_stage == "active":
                removals.append(_removal(client, uri, name, run, [str(one.version) for one in versions]))
    return removals


def _runs(client: "MlflowClient", experiment: str) -> Iterator[Any]:
    from mlflow.entities import ViewType

    token = None
    while True:
        page = client.search_runs([experiment], "", ViewType.ALL, PAGE, ["start_time ASC"], token)
        yield from page
        token = page.token
        if not token:
            return


def _removal(client: "MlflowClient", uri: str, name: str, run: Any, versions: list[str]) -> Removal:
    models = [output.model_id for output in run.outputs.model_outputs] if run.outputs else []
    places = [run.info.artifact_uri, *(_place(client, model) for model in models)]
    size = sum(size_of(path) for path in map(_local, filter(None, places)) if path)
    shown = f"version {', '.join(versions)} ({run.info.run_name})" if versions else f"run {run.info.run_name}"
    return Removal(
        "model version", shown, size, lambda: _remove(uri, name, run.info.run_id, versions, models)
    )


def _remove(uri: str, name: str, run: str, versions: list[str], models: list[str]) -> None:
    """Delete the versions, then artifacts, then what names them: after a kill the run is found again."""
    with mlflow_tracking.mlflow_at(uri) as client:
        for version in versions:
            client.delete_model_version(name, version)
        for model in models:
            if place := _place(client, model):
                _delete_artifacts(place)
                client.delete_logged_model(model)
        info = client.get_run(run).info
        _delete_artifacts(info.artifact_uri)
        if info.lifecycle_stage == "active":
            client.delete_run(run)


def _place(client: "MlflowClient", model: str) -> str | None:
    """Return where the artifacts of a logged model are, None where it was deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_logged_model(model).artifact_location)
    except MlflowException:
        return None


def _delete_artifacts(place: str) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    path = _local(place)
    if path is None or path.exists():
        get_artifact_repository(place).delete_artifacts()


def _local(place: str) -> Path | None:
    parts = urlsplit(place)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None
