"""MLflow at one address: its client, its experiment, and the run that a registered model came from."""

import contextlib
import logging
import os
import re
import socket
import sqlite3
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.base.errors import Fault, Unreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "tonewatch"
ARTIFACTS = "mlflow-artifacts"
ANSWER_SECONDS = 5
DIGEST_CHARACTERS = 36  # as many as MLflow keeps of a dataset's digest; the whole one stands in a tag
ROWS_AT_ONCE = 100  # as many parameters as MLflow takes in one call
# What MLflow is told while we call it; its own two places are set by its calls, and put back with these.
TOLD = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
OURS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", *TOLD)
# MLflow keeps its place in the process and its environment, so two threads would leave each other's behind.
_PLACE = threading.RLock()


@contextlib.contextmanager
def mlflow_at(uri: str) -> Iterator["MlflowClient"]:
    """Point MLflow at one address for a while, quietly, and leave the process as it was; one thread at a time.

    Raises Unreachable when the address does not answer: MLflow itself would try again for minutes.
    """
    _knock(uri)
    with _PLACE, _placed(uri) as client:
        yield client


@contextlib.contextmanager
def _placed(uri: str) -> Iterator["MlflowClient"]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

    before = {name: os.environ.get(name) for name in OURS}
    for name in ("mlflow", "alembic"):  # importing MLflow sets its own levels, so this comes after
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), _told(uri):
            warnings.simplefilter("ignore")
            os.environ.update(TOLD)
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            yield mlflow.MlflowClient(uri, uri)
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def ensure_experiment(client: "MlflowClient", uri: str) -> str:
    """Give the experiment's id, made if it is not there; the embedded store keeps artefacts beside its database."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        database = _sqlite(uri)
        place = (database.resolve().parent / ARTIFACTS).as_uri() if database else None
        try:
            return str(client.create_experiment(EXPERIMENT, artifact_location=place))
        except MlflowException:
            found = client.get_experiment_by_name(EXPERIMENT)  # another process made it in between
            if found is None:
                raise
    return str(found.experiment_id)


def log_numbers(
    client: "MlflowClient", run: str, *, params: Mapping[str, Any], metrics: Mapping[str, Any]
) -> None:
    """Log parameters and figures, both flattened to dotted names."""
    from mlflow.entities import Metric, Param

    flat = [Param(name, value) for name, value in flatten(params).items()]
    for start in range(0, len(flat), ROWS_AT_ONCE):
        client.log_batch(run, params=flat[start : start + ROWS_AT_ONCE])
    now = int(time.time() * 1000)
    client.log_batch(
        run, metrics=[Metric(name, float(value), now, 0) for name, value in flatten(metrics).items()]
    )


def log_history(
    client: "MlflowClient", run: str, training: str, history: Sequence[Mapping[str, float]]
) -> None:
    """Log the figures of one training by their `step`, under the training's name."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    rows = [
        Metric(f"{training}.{name}", float(value), now, int(entry["step"]))
        for entry in history
        for name, value in entry.items()
        if name != "step" and isinstance(value, int | float)
    ]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        client.log_batch(run, metrics=rows[start : start + ROWS_AT_ONCE])


def log_data(*, data_version: str, fingerprint: str) -> None:
    """Log the data version as the dataset of the active run, under our own fingerprint.

    MLflow's own digest reads only the first 10,000 rows, so it could not tell two versions apart.
    """
    import mlflow
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    source = CodeDatasetSource({"data_version": data_version, "fingerprint": fingerprint})
    mlflow.log_input(
        MetaDataset(source, name=EXPERIMENT, digest=fingerprint[:DIGEST_CHARACTERS]), context="training"
    )


def flatten(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Name every leaf of nested sections by its dotted path, in characters MLflow allows; lists are counted from 0."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        path = above + re.sub(r"[^\w.-]", "_", str(name))
        if isinstance(value, list | tuple):
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{path}.")
        else:
            flat[path] = str(value)
    return flat


@contextlib.contextmanager
def _told(uri: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise Fault(
            f"The model registry at {_shown(uri)} failed: {error} Look at MLFLOW_TRACKING_URI, then type the same again."
        ) from error


def _knock(uri: str) -> None:
    parts, database = urlsplit(uri), _sqlite(uri)
    try:
        if database is not None:
            database.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(database, timeout=ANSWER_SECONDS)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master")
        elif parts.hostname:
            port = parts.port or {"https": 443, "http": 80, "postgresql": 5432, "mysql": 3306}.get(
                parts.scheme.partition("+")[0], 443
            )
            socket.create_connection((parts.hostname, port), timeout=ANSWER_SECONDS).close()
    except (OSError, sqlite3.Error) as error:
        raise Unreachable(
            f"The model registry at {_shown(uri)} does not answer: {error}. Look at MLFLOW_TRACKING_URI."
        ) from error


def _sqlite(uri: str) -> Path | None:
    scheme, slashes, path = uri.partition(":///")
    return Path(path) if slashes and scheme.partition("+")[0] == "sqlite" else None


def _shown(uri: str) -> str:
    # The address without a password.
    return uri.rpartition("@")[2]
