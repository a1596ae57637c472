"""Register a candidate in MLflow, and define its identity: what it and its judgement depend on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pipeline.base.config import OPERATIONAL_SECTIONS, Params, Workspace
from pipeline.base.digests import json_digest
from pipeline.base.documents import EvaluationReport, HeadlineMetrics
from pipeline.io import files
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistration, ModelRegistry, served_files
from pipeline.io.versioning.code_digest import code_digest

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
    )
    return ModelRegistry(workspace.mlflow).register(registration)


def headline_metrics(evaluation: EvaluationReport) -> HeadlineMetrics:
    """Return the metrics that MLflow and the release record show first."""
    return {
        "macro_f1": evaluation["macro_f1"],
        "accuracy": evaluation["accuracy"],
        "per_source": evaluation["per_source"],
    }


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


def _history(folder: Path) -> list[Mapping[str, float]]:
    path = folder / "history.json"
    return list(files.read_json(path)) if path.is_file() else []
