"""The uncompressed classifier that a release was made from, as safetensors, to explain predictions with."""

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import Workspace
from pipeline.base.errors import DigestMismatch, UsageError
from pipeline.inference.champion import LoadedRelease
from pipeline.io import files
from pipeline.io.models.published_folder import WEIGHTS
from pipeline.io.models.release_classifier import release_classifier
from pipeline.io.registry.ledger import Ledger

if TYPE_CHECKING:
    from pipeline.core.explain.gradients import TorchTwin


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
    folder = release_classifier(
        workspace,
        Ledger(workspace.ledger).get(release.name).record,
        digest,
        otherwise="Explain it by occlusion, or type `tonewatch run` for a new release.",
    )
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
