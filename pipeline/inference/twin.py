"""The uncompressed classifier that a release was made from, as safetensors, to explain predictions with."""

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import Workspace
from pipeline.base.errors import DigestMismatch, TonewatchError, UsageError
from pipeline.base.records import Receipt
from pipeline.inference.champion import LoadedRelease
from pipeline.io import files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import candidate_digest
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.security import model_files

if TYPE_CHECKING:
    from pipeline.core.explain.gradients import TorchTwin

WEIGHTS = "model.safetensors"


def load_twin(workspace: Workspace, release: LoadedRelease) -> "TorchTwin":
    """Load the classifier that a release was compressed from; that of the last call is kept.

    It is the one that lies in data/classifier, else the one that MLflow holds; the release names the digest
    of its weights. Raises UsageError where there is neither.
    """
    settings = files.read_json(release.folder / "model.json")
    digest = settings.get("teacher")
    if not digest:
        raise UsageError(
            f"{release.name} was made by a version that kept no digest of its classifier. Explain it by "
            "occlusion, or type `tonewatch run` for a new release."
        )
    folder = workspace.root / "data" / "classifier"
    if not _holds(folder, digest):
        folder = _fetched(workspace, release, digest)
    return _load(folder, digest, int(settings["max_tokens"]), settings.get("long_texts", "head"))


@functools.lru_cache(maxsize=1)
def _load(folder: Path, digest: str, max_tokens: int, long_texts: str) -> "TorchTwin":
    from safetensors.torch import load

    from pipeline.core.explain.gradients import TorchTwin
    from pipeline.core.model.heads import trained_classifier
    from pipeline.core.model.tokenizer import load_tokenizer

    content = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise DigestMismatch(f"{folder / WEIGHTS} was changed while it was read. Repeat the command.")
    model = trained_classifier(files.read_json(folder / "config.json"), load(content))
    document = (folder / "tokenizer.json").read_text("utf-8")
    return TorchTwin(model, load_tokenizer(document, max_tokens), long_texts)


def _holds(folder: Path, digest: str) -> bool:
    """Return whether a folder is whole and holds the weights of this digest."""
    try:
        return files.verified_receipt(folder, made_by="finetune").files.get(WEIGHTS) == digest
    except TonewatchError:
        return False


def _fetched(workspace: Workspace, release: LoadedRelease, digest: str) -> Path:
    folder = workspace.home / "classifiers" / digest[:16]
    if _holds(folder, digest):
        return folder
    record = Ledger(workspace.ledger).get(release.name).record
    registry = open_registry(workspace)
    version = registry.version_of(candidate_digest(record), record["model_version"])
    with files.staging_dir(folder) as staging:
        found = registry.fetch_classifier(version, staging) if version else {}
        if found.get(WEIGHTS) != digest:
            raise UsageError(
                f"The classifier that {release.name} was made from is neither in data/classifier nor in "
                "MLflow. Explain it by occlusion, or type `tonewatch run` for a new release."
            )
        model_files.inspect_folder(staging)
        files.verify_folder(staging, found)
        files.write_receipt(staging, Receipt("finetune"))
    return folder
