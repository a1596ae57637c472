"""Answers of the champion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.io import files
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger
from pipeline.io.security import model_files

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictor


@dataclass(frozen=True)
class Prediction:
    """Hold the champion's answer for one text, and which release gave it."""

    label: str
    probabilities: dict[str, float]
    release: str
    data_version: str

    def as_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return {
            "label": self.label,
            "probabilities": self.probabilities,
            "release": self.release,
            "data_version": self.data_version,
        }


def predict(workspace: Workspace, texts: Sequence[str]) -> list[Prediction]:
    """Label texts with the release in service, from its verified local copy.

    Raises WrongUse when there is no release or no text.
    """
    if not texts:
        raise UsageError(
            'There is no text to label. Type `tonewatch predict "a text"`, or name a file with `--file`.'
        )
    ledger = Ledger(workspace.ledger)
    name = ledger.current()
    if name is None:
        raise UsageError("No release is in service yet. Make one with `tonewatch run`.")
    document = ledger.get(name).document
    predictor = open_predictor(release_files.verified_copy(workspace, document))
    answers = predictor.predict(texts)
    return [
        Prediction(
            label,
            dict(zip(predictor.labels, map(float, row), strict=True)),
            name,
            str(document["data_version"]),
        )
        for label, row in zip(answers.labels, answers.probabilities, strict=True)
    ]


def open_predictor(folder: Path, *, threads: int = 1) -> "Predictor":
    """Open the model files of a candidate, or of a copy of one, each inspected before it is read; it answers on so many cores.

    Raises ArtefactRefused when one may not be part of a model.
    """
    from pipeline.core.model.predictor import Predictor

    model_files.inspect_folder(folder)
    settings = files.read_json(folder / "model.json")
    return Predictor.of(
        (folder / "model.onnx").read_bytes(),
        (folder / "tokenizer.json").read_text("utf-8"),
        settings,
        threads=threads,
    )


def read_lines(path: Path, standard_input: BinaryIO) -> list[str]:
    """Read one text a line from a file, or from standard input for `-`; empty lines are no texts.

    Raises WrongUse when there is no such file or it is not UTF-8.
    """
    try:
        content = standard_input.read() if str(path) == "-" else path.read_bytes()
        # Only a newline ends a text: `splitlines` would also cut at form feeds and at U+2028.
        return [line.rstrip("\r") for line in content.decode("utf-8-sig").split("\n") if line.strip()]
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}). Name a file with one text a line."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8 and type the same again."
        ) from error
