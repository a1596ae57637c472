"""The local copy of a release: checked when it is made and before every use, fetched again when it is lost.

What is in service can so be served, and gone back to, while the model registry is down.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config import Places
from pipeline.errors import DigestMismatch, TonewatchError
from pipeline.registry.models import Models
from pipeline.storage import files

EVALUATION = "evaluation.json"


def digests(candidate: Mapping[str, str], evaluation: Mapping[str, Any]) -> dict[str, str]:
    """Give the digests the copy of a release must have: the candidate's files, and its evaluation as we write it."""
    return {**candidate, EVALUATION: hashlib.sha256(files.as_json(evaluation)).hexdigest()}


def keep(places: Places, document: Mapping[str, Any]) -> Path:
    """Copy `data/candidate` to the release it has become, unless a good copy is there already."""
    copy = places.releases / str(document["release"])
    if _fault(copy, document) is not None:
        with files.whole(copy) as desk:
            for name in _candidate_names(document):
                shutil.copyfile(places.root / "data" / "candidate" / name, desk / name)
            _finish(desk, document)
    return copy


def verified(places: Places, document: Mapping[str, Any]) -> Path:
    """Give the folder of a release's files, each checked; fetched from MLflow when missing or changed.

    Raises DigestMismatch when neither place has the right bytes.
    """
    copy = places.releases / str(document["release"])
    fault = _fault(copy, document)
    if fault is None:
        return copy
    try:
        with files.whole(copy) as desk:
            Models(places.mlflow).fetch(document["model_version"], desk, _candidate_names(document))
            _finish(desk, document)
    except TonewatchError as error:
        raise DigestMismatch(
            f"{document['release']} cannot be used. Its local copy: {fault} Its copy in MLflow: {error} "
            "Nothing was changed. Mend one of the two, then type the same again."
        ) from error
    return copy


def _finish(desk: Path, document: Mapping[str, Any]) -> None:
    files.write_json(desk / EVALUATION, document["evaluation"])
    files.verify(desk, dict(document["files"]))


def _candidate_names(document: Mapping[str, Any]) -> list[str]:
    return sorted(set(document["files"]) - {EVALUATION})


def _fault(copy: Path, document: Mapping[str, Any]) -> str | None:
    if not copy.is_dir():
        return f"{copy} is missing."
    try:
        files.verify(copy, dict(document["files"]))
    except DigestMismatch as error:
        return str(error)
    return None
