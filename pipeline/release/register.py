"""Register a candidate in MLflow, and define its identity: what it and its judgement depend on."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pipeline.base import logs
from pipeline.base.config import OPERATIONAL_SECTIONS, Params, Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.digests import json_digest
from pipeline.base.documents import EvaluationReport, HeadlineMetrics, ReleaseRecord
from pipeline.base.errors import ConfigError, TonewatchError, Unreachable
from pipeline.base.tasks import SINGLE_LABEL, are_comparable
from pipeline.base.tasks.scores import score_key
from pipeline.io import files
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import EVALUATION, ModelRegistration, candidate_digest, served_files
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.code_digest import code_digest

log = logs.get("registry")
SERVING_CODE = Path(__file__).parents[1] / "serve" / "mlflow_model.py"


def register(workspace: Workspace, data_version: str, *, code: Path = SERVING_CODE) -> str:
    """Register the candidate with its classifier and evaluation; return its version in MLflow."""
    release = Ledger(workspace.ledger).find(candidate_identity(workspace, data_version))
    if release:
        # The ledger knows the version; asking MLflow too would cost an unchanged run many seconds.
        return release.record["model_version"]
    data = workspace.root / "data"
    files.verified_receipt(data / "classifier", made_by="finetune")
    evaluation = read_evaluation(workspace)
    registration = ModelRegistration(
        digest=json_digest(candidate_digests(workspace)),
        candidate=data / "candidate",
        classifier=data / "classifier",
        evaluation=data / "evaluation" / "evaluation.json",
        code=code,
        labels=evaluation["labels"],
        data_version=data_version,
        fingerprint=files.verified_receipt(data / "splits", made_by="split").notes["fingerprint"],
        params=release_params(load_params(workspace.params)),
        metrics=headline_metrics(evaluation),
        histories={
            "pretrain": _history(data / "encoder"),
            "finetune": _history(data / "classifier"),
        },
        signature=release_files.sign_candidate(workspace),
        task=evaluation.get("task", SINGLE_LABEL),
    )
    return open_registry(workspace).register(registration)


def refuse_other_task(workspace: Workspace) -> None:
    """Raise ConfigError, before hours of training, where the champion's answers are of another kind."""
    ledger, task = Ledger(workspace.ledger), load_params(workspace.params).task
    name = ledger.champion()
    champion = ledger.get(name).record["evaluation"].get("task", SINGLE_LABEL) if name else task
    if not are_comparable(task, champion):
        raise ConfigError(
            f"task is `{task}`, and {name} in service is of task `{champion}`: no test can compare their "
            f"answers. Write `task: {champion}`, or train in a workspace of its own: `tonewatch init FOLDER`."
        )


def prepare_registry(workspace: Workspace) -> None:
    """Ensure, before hours of training, that the result can be registered.

    A deleted experiment is restored. An MLflow that does not respond delays nothing: the stages need none.
    """
    try:
        open_registry(workspace).prepare()
    except Unreachable as error:
        log.warning("registry.unreachable", error=str(error))


def registered_version(workspace: Workspace, release: ReleaseRecord) -> str | None:
    """Return the version that holds a release in the workspace's own model, None where there is none."""
    return open_registry(workspace).version_of(candidate_digest(release), release["model_version"])


def register_again(workspace: Workspace, release: ReleaseRecord) -> str:
    """Register a release, whose version in MLflow is gone, from its local copy; return its new version.

    The classifier and the training histories are not part of the copy, so the new version lacks them. Raises
    DigestMismatch where the copy is not intact.
    """
    release_files.check_copy(workspace, release)
    copy = workspace.releases / release["release"]
    with tempfile.TemporaryDirectory(prefix="tonewatch-") as folder:
        candidate = Path(folder) / "candidate"
        candidate.mkdir()
        for name in served_files(release["files"]):
            if name != EVALUATION:
                shutil.copyfile(copy / name, candidate / name)
        registration = ModelRegistration(
            digest=candidate_digest(release),
            candidate=candidate,
            classifier=None,
            evaluation=copy / EVALUATION,
            code=SERVING_CODE,
            labels=release["evaluation"]["labels"],
            data_version=release["data_version"],
            fingerprint=_fingerprint(workspace, release["data_version"]),
            params=release_params(parse_params(release["params"])),
            metrics=release["metrics"],
            histories={},
            signature=release["signature"],
            task=release["evaluation"].get("task", SINGLE_LABEL),
        )
        version = open_registry(workspace).register(registration)
    log.warning("release.registered_again", release=release["release"], version=version)
    return version


def headline_metrics(evaluation: EvaluationReport) -> HeadlineMetrics:
    """Return the metrics that MLflow and the release record show first."""
    names = (score_key(evaluation), "accuracy", "per_source")
    values = cast(Mapping[str, object], evaluation)
    return cast(HeadlineMetrics, {name: values[name] for name in names if name in values})


def candidate_digests(workspace: Workspace) -> dict[str, str]:
    """Return the SHA-256 of each file that would be served; menu.json is not among them."""
    receipt = files.verified_receipt(workspace.root / "data" / "candidate", made_by="compress")
    return served_files(receipt.files)


def release_params(params: Params) -> dict[str, Any]:
    """Return the parameters that a release depends on: all but the operational sections."""
    return params.model_dump(mode="json", by_alias=True, exclude=set(OPERATIONAL_SECTIONS))


def read_evaluation(workspace: Workspace) -> EvaluationReport:
    """Read the evaluation report in the working tree and verify it against its receipt."""
    folder = workspace.root / "data" / "evaluation"
    files.verified_receipt(folder, made_by="evaluate")
    return cast(EvaluationReport, files.read_json(folder / "evaluation.json"))


def candidate_identity(workspace: Workspace, data_version: str) -> str:
    """Return the digest of all that a judgement depends on: candidate, data, parameters, evaluation, code."""
    parts = {
        "candidate": candidate_digests(workspace),
        "data_version": data_version,
        "params": json_digest(release_params(load_params(workspace.params))),
        "evaluation": json_digest(read_evaluation(workspace)),
        "gate": code_digest("pipeline.core.gate.decision", "decide"),
        "comparison": code_digest("pipeline.release.compare", "compare_with_champion"),
        "signer": release_files.signer_fingerprint(workspace),
    }
    return json_digest(parts)


def _fingerprint(workspace: Workspace, data_version: str) -> str:
    try:
        return data_versions.show_version(workspace.root, data_version).fingerprint
    except TonewatchError:
        return ""  # a version is complete without it


def _history(folder: Path) -> list[Mapping[str, float]]:
    path = folder / "history.json"
    return list(files.read_json(path)) if path.is_file() else []
