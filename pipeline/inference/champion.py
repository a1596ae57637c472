"""What the service needs of a release: which one is in service, its files opened and warmed."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pipeline.base.config import Places
from pipeline.core.clean.faults import words
from pipeline.core.clean.language import language
from pipeline.core.privacy.masking import mask
from pipeline.inference.predict import open_predictor
from pipeline.io import files
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Answers, Predictor

__all__ = ["Answers", "InService", "Serving", "noted"]


@dataclass(frozen=True)
class Serving:
    """Hold a release that is ready to answer."""

    name: str
    data_version: str
    model: str
    labels: tuple[str, ...]
    predictor: "Predictor"


class InService:
    """Tell which release is in service by the ledger, and open it."""

    def __init__(self, places: Places, *, threads: int) -> None:
        self._places = places
        self._ledger = Ledger(places.ledger)
        self._threads = threads

    def current(self) -> str | None:
        """Name the release in service; raises Unreachable when the ledger cannot be asked."""
        return self._ledger.current()

    def open(self, name: str) -> Serving:
        """Open a release from its verified copy, and let it answer its golden texts once, so that the next answer is a quick one.

        Raises DigestMismatch, SignatureRefused or ArtefactRefused when it may not serve.
        """
        document = self._ledger.get(name).document
        folder = release_files.verified(self._places, document)
        predictor = open_predictor(folder, threads=self._threads)
        predictor.predict(files.read_json(folder / "golden.json")["texts"])
        return Serving(name, str(document["data_version"]), _digest(document), predictor.labels, predictor)


def _digest(document: Mapping[str, Any]) -> str:
    return str(document["files"]["model.onnx"])


def noted(cleaned: str, *, hashed: bool, min_words: int) -> dict[str, Any]:
    """Give what the journal keeps of a cleaned text: masked, or only its hash and what can no longer be told from it."""
    masked = mask(cleaned)[0]
    # The language of a text that is kept is told by who reads it: that takes as long as all the rest of an answer's keeping.
    kept = {"text": "", "lang": language(masked, min_words=min_words)} if hashed else {"text": masked, "lang": ""}
    return {**kept, "digest": sha256(masked.encode("utf-8", "replace")).hexdigest(), "words": words(masked)}
