"""Register a candidate in MLflow, and say what makes it the same candidate as before."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.base.config import OPERATIONAL_SECTIONS, Params, Workspace
from pipeline.io import files
from pipeline.io.params_file import load_params
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import ModelRegistration, ModelRegistry
from pipeline.io.versioning.code_digest import code_digest

HEADLINE_METRICS = ("macro_f1", "accuracy", "per_source")
SERVING_CODE = Path(__file__).parents[1] / "serve" / "mlflow_model.py"


def register(workspace: Workspace, data_version: str, *, code: Path = SERVING_CODE) -> str:
    """Register the candidate with its classifier and evaluation; gives the model version, the same for the same candidate."""
    judged = Ledger(workspace.ledger).find(candidate_identity(workspace, data_version))
    if judged:
        # The ledger knows its version; asking MLflow as well would cost an unchanged run many seconds.
        return str(judged.document["model_version"])
    data = workspace.root / "data"
    candidate = candidate_digests(workspace)
    files.verified_receipt(data / "classifier", made_by="finetune")
    evaluation = read_evaluation(workspace)
    entry = ModelRegistration(
        digest=json_digest(candidate),
        candidate=data / "candidate",
        classifier=data / "classifier",
        evaluation=data / "evaluation" / "evaluation.json",
        code=code,
        labels=evaluation["labels"],
        data_version=data_version,
        fingerprint=files.verified_receipt(data / "splits", made_by="split").notes["fingerprint"],
        params=release_params(load_params(workspace.params)),
        metrics={name: evaluation[name] for name in HEADLINE_METRICS},
        histories={
            name: _history(data / folder)
            for name, folder in (("pretrain", "encoder"), ("finetune", "classifier"))
        },
        signature=release_files.sign_candidate(workspace),
    )
    return ModelRegistry(workspace.mlflow).register(entry)


def _history(folder: Path) -> list[dict[str, float]]:
    path = folder / "history.json"
    return list(files.read_json(path)) if path.is_file() else []


def candidate_digests(workspace: Workspace) -> dict[str, str]:
    """Give the digests of the files that would serve; the menu beside them holds timings, which differ each time."""
    return release_files.served_files(
        files.verified_receipt(workspace.root / "data" / "candidate", made_by="compress").files
    )


def release_params(params: Params) -> dict[str, Any]:
    """Return the parameters that a release is made of; how the pipeline is operated makes no other release."""
    return params.model_dump(mode="json", by_alias=True, exclude=set(OPERATIONAL_SECTIONS))


def read_evaluation(workspace: Workspace) -> dict[str, Any]:
    """Read the evaluation report of the work tree, checked against its receipt."""
    folder = workspace.root / "data" / "evaluation"
    files.verified_receipt(folder, made_by="evaluate")
    return dict(files.read_json(folder / "evaluation.json"))


def json_digest(content: Mapping[str, Any]) -> str:
    """Digest a document."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def candidate_identity(workspace: Workspace, data_version: str) -> str:
    """Return the digest of all that a judgement depends on: candidate, data, parameters, evaluation, and the code that judges."""
    made_of = {
        "candidate": candidate_digests(workspace),
        "data_version": data_version,
        "params": json_digest(release_params(load_params(workspace.params))),
        "evaluation": json_digest(read_evaluation(workspace)),
        "gate": code_digest("pipeline.core.gate.decision", "decide"),
        "comparison": code_digest("pipeline.release.compare", "compare_with_champion"),
        "signer": release_files.signer_fingerprint(workspace),
    }
    return json_digest(made_of)
