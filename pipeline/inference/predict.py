"""Predict labels of texts with the champion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.inference.load import load_predictor
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger


@dataclass(frozen=True)
class Prediction:
    """Hold what the champion predicts for one text, and which release predicts it."""

    label: str
    probabilities: dict[str, float]
    release: str
    data_version: str


def predict(workspace: Workspace, texts: Sequence[str]) -> list[Prediction]:
    """Label texts with the champion, loaded from its verified local copy.

    Raises UsageError when there is no text or no champion.
    """
    if not texts:
        raise UsageError(
            'There is no text to label. Type `tonewatch predict "a text"`, or name a file with `--file`.'
        )
    ledger = Ledger(workspace.ledger)
    name = ledger.champion()
    if name is None:
        raise UsageError("No release is in service yet. Train one with `tonewatch run`.")
    record = ledger.get(name).record
    predictor = load_predictor(release_files.verified_copy(workspace, record))
    predictions = predictor.predict(texts)
    return [
        Prediction(
            label,
            dict(zip(predictor.labels, map(float, row), strict=True)),
            name,
            record["data_version"],
        )
        for label, row in zip(predictions.labels, predictions.probabilities, strict=True)
    ]


def read_lines(path: Path, standard_input: BinaryIO) -> list[str]:
    """Read one text per line from a file, or from standard input for `-`; skip empty lines.

    Raises UsageError when the file is missing or not UTF-8.
    """
    try:
        content = standard_input.read() if str(path) == "-" else path.read_bytes()
        # Only a newline ends a text: `splitlines` would also cut at form feeds and at U+2028.
        return [line.rstrip("\r") for line in content.decode("utf-8-sig").split("\n") if line.strip()]
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}). Name a file with one text per line."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8 and try again."
        ) from error
