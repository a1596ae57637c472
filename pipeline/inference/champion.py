"""What the service needs of a release: which one is in service, its files opened and warmed."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pipeline.base.config import Workspace
from pipeline.core.clean.faults import count_words
from pipeline.core.clean.language import detect_language
from pipeline.core.privacy.masking import mask_pii
from pipeline.inference.predict import open_predictor
from pipeline.io import files
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictions, Predictor

__all__ = ["Predictions", "ChampionSource", "LoadedRelease", "journal_fields"]


@dataclass(frozen=True)
class LoadedRelease:
    """Hold a release that is ready to answer."""

    name: str
    data_version: str
    model: str
    labels: tuple[str, ...]
    predictor: "Predictor"


class ChampionSource:
    """Tell which release is in service by the ledger, and open it."""

    def __init__(self, workspace: Workspace, *, threads: int) -> None:
        self._workspace = workspace
        self._ledger = Ledger(workspace.ledger)
        self._threads = threads

    def current(self) -> str | None:
        """Name the release in service; raises Unreachable when the ledger cannot be asked."""
        return self._ledger.current()

    def open(self, name: str) -> LoadedRelease:
        """Open a release from its verified copy, and let it answer its golden texts once, so that the next answer is a quick one.

        Raises DigestMismatch, SignatureRefused or ArtefactRefused when it may not serve.
        """
        document = self._ledger.get(name).document
        folder = release_files.verified_copy(self._workspace, document)
        predictor = open_predictor(folder, threads=self._threads)
        predictor.predict(files.read_json(folder / "golden.json")["texts"])
        return LoadedRelease(
            name, str(document["data_version"]), _digest(document), predictor.labels, predictor
        )


def _digest(document: Mapping[str, Any]) -> str:
    return str(document["files"]["model.onnx"])


def journal_fields(cleaned: str, *, hashed: bool, min_words: int) -> dict[str, Any]:
    """Give what the journal keeps of a cleaned text: masked, or only its hash and what can no longer be told from it."""
    masked = mask_pii(cleaned)[0]
    # The language of a text that is kept is told by who reads it: that takes as long as all the rest of an answer's keeping.
    kept = (
        {"text": "", "lang": detect_language(masked, min_words=min_words)}
        if hashed
        else {"text": masked, "lang": ""}
    )
    return {
        **kept,
        "digest": sha256(masked.encode("utf-8", "replace")).hexdigest(),
        "words": count_words(masked),
    }
