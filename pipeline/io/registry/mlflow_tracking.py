"""MLflow at one address: its client, our experiment, and what a run logs."""

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

from pipeline.base import logs
from pipeline.base.errors import Fault, Unreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "tonewatch"
ARTIFACTS = "mlflow-artifacts"
CONNECT_SECONDS = 5
DIGEST_CHARACTERS = 36  # the most MLflow stores of a dataset's digest; a tag holds the full one
BATCH_ROWS = 100  # the most parameters MLflow takes in one call
FORBIDDEN = re.compile(r"[^\w.-]")  # in a name; MLflow allows more, but not on every backend
# MLflow's settings during a call; its two addresses are set by its own functions, and all are restored.
SETTINGS = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
# For callers that must not wait. MLflow itself waits 120 s for an answer, and asks eight times.
IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", *SETTINGS, *IMPATIENT)
# MLflow keeps its addresses in the process and its environment, which two threads would overwrite.
_LOCK = threading.RLock()


@contextlib.contextmanager
def mlflow_at(uri: str, settings: Mapping[str, str] = SETTINGS) -> Iterator["MlflowClient"]:
    """Yield a client of MLflow at one address, and leave the process as it was; one thread at a time.

    Raises Unreachable where the address does not respond; MLflow itself would retry for minutes.
    """
    _ensure_reachable(uri)
    with _LOCK, _configured(uri, settings) as client:
        yield client


@contextlib.contextmanager
def _configured(uri: str, settings: Mapping[str, str]) -> Iterator["MlflowClient"]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

    before = {name: os.environ.get(name) for name in VARIABLES}
    for name in ("mlflow", "alembic"):  # after the import, which sets its own levels
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), _mlflow_errors(uri):
            warnings.simplefilter("ignore")
            os.environ.update(settings)
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


def ensure_experiment(client: "MlflowClient", uri: str, name: str = EXPERIMENT) -> str:
    """Return the id of an experiment, created if missing and restored, with its runs, if somebody deleted it.

    SQLite stores keep artifacts beside the file.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        database = _sqlite(uri)
        location = (database.resolve().parent / ARTIFACTS).as_uri() if database else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another process created it in between
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        client.restore_experiment(experiment.experiment_id)
        logs.get("registry").warning("experiment.restored", name=name)
    return str(experiment.experiment_id)


def log_numbers(
    client: "MlflowClient", run: str, *, params: Mapping[str, Any], metrics: Mapping[str, Any]
) -> None:
    """Log parameters and metrics, both flattened to dotted names."""
    from mlflow.entities import Metric, Param

    flat = [Param(name, value) for name, value in flatten(params).items()]
    for start in range(0, len(flat), BATCH_ROWS):
        client.log_batch(run, params=flat[start : start + BATCH_ROWS])
    now = int(time.time() * 1000)
    client.log_batch(
        run, metrics=[Metric(name, float(value), now, 0) for name, value in flatten(metrics).items()]
    )


def log_history(
    client: "MlflowClient", run: str, training: str, history: Sequence[Mapping[str, float]]
) -> None:
    """Log the metrics of one training by their `step`, prefixed with the name of the training."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    rows = [
        Metric(f"{training}.{name}", float(value), now, int(entry["step"]))
        for entry in history
        for name, value in entry.items()
        if name != "step" and isinstance(value, int | float)
    ]
    for start in range(0, len(rows), BATCH_ROWS):
        client.log_batch(run, metrics=rows[start : start + BATCH_ROWS])


def log_data(*, data_version: str, fingerprint: str) -> None:
    """Log the data version as the dataset of the active run, with our fingerprint as its digest.

    MLflow's own digest covers only the first 10,000 rows, so it may be equal for two versions.
    """
    import mlflow
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    source = CodeDatasetSource({"data_version": data_version, "fingerprint": fingerprint})
    mlflow.log_input(
        MetaDataset(source, name=EXPERIMENT, digest=fingerprint[:DIGEST_CHARACTERS]), context="training"
    )


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested sections to dotted names in characters MLflow allows; list items are numbered from 0."""
    flat: dict[str, str] = {}
    for part, value in zip(_allowed(list(map(str, values))), values.values(), strict=True):
        path = prefix + part
        if isinstance(value, list | tuple):
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{path}.")
        else:
            flat[path] = str(value)
    return flat


def _allowed(names: Sequence[str]) -> list[str]:
    """Return names in characters MLflow allows; those that would be equal show what was replaced, in hex."""
    plain = [FORBIDDEN.sub("_", name) for name in names]
    return [
        FORBIDDEN.sub(lambda found: f"_{ord(found[0]):x}", name) if plain.count(one) > 1 else one
        for name, one in zip(names, plain, strict=True)
    ]


@contextlib.contextmanager
def _mlflow_errors(uri: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise Fault(
            f"The model registry at {_shown(uri)} failed: {error} "
            "Check MLFLOW_TRACKING_URI, then repeat the command."
        ) from error


def _ensure_reachable(uri: str) -> None:
    parts, database = urlsplit(uri), _sqlite(uri)
    try:
        if database is not None:
            database.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(database, timeout=CONNECT_SECONDS)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master")
        elif parts.hostname:
            port = parts.port or {"https": 443, "http": 80, "postgresql": 5432, "mysql": 3306}.get(
                parts.scheme.partition("+")[0], 443
            )
            socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
    except (OSError, sqlite3.Error) as error:
        raise Unreachable(
            f"The model registry at {_shown(uri)} does not respond: {error}. Check MLFLOW_TRACKING_URI."
        ) from error


def _sqlite(uri: str) -> Path | None:
    scheme, slashes, path = uri.partition(":///")
    return Path(path) if slashes and scheme.partition("+")[0] == "sqlite" else None


def _shown(uri: str) -> str:
    # Without the user and password.
    return uri.rpartition("@")[2]
