"""The uncompressed classifier that a release was made from, as safetensors: here, or in MLflow."""

from pathlib import Path

from pipeline.base.config import Workspace
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import TonewatchError, UsageError
from pipeline.base.records import Receipt
from pipeline.io import files
from pipeline.io.models.published_folder import WEIGHTS
from pipeline.io.registry.mlflow_models import candidate_digest
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.security import model_files


def release_classifier(workspace: Workspace, release: ReleaseRecord, digest: str, *, otherwise: str) -> Path:
    """Return a verified folder with the classifier of a release; `digest` is that of its weights.

    It is the one that lies in data/classifier, else the one that MLflow holds. Raises UsageError where there
    is neither; `otherwise` is its sentence about what to do.
    """
    here = workspace.root / "data" / "classifier"
    fetched = workspace.home / "classifiers" / digest[:16]
    for folder in (here, fetched):
        if _holds(folder, digest):
            return folder
    registry = open_registry(workspace)
    version = registry.version_of(candidate_digest(release), release["model_version"])
    with files.staging_dir(fetched) as staging:
        found = registry.fetch_classifier(version, staging) if version else {}
        if found.get(WEIGHTS) != digest:
            raise UsageError(
                f"The classifier that {release['release']} was made from is neither in data/classifier nor "
                f"in MLflow. {otherwise}"
            )
        model_files.inspect_folder(staging)
        files.verify_folder(staging, found)
        files.write_receipt(staging, Receipt("finetune"))
    return fetched


def _holds(folder: Path, digest: str) -> bool:
    """Return whether a folder is whole and holds the weights of this digest."""
    try:
        return files.verified_receipt(folder, made_by="finetune").files.get(WEIGHTS) == digest
    except TonewatchError:
        return False
