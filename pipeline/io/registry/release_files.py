"""The local copy of a release: checked when it is made and before every use, fetched again when it is lost.

What is in service can so be served, and gone back to, while the model registry is down. The ledger's document says which
bytes a release has; a signature, where a key to check it is configured, says who made them, and is then asked of every use.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.base.config import Places
from pipeline.base.errors import DigestMismatch, SignatureRefused, TonewatchError
from pipeline.io import files, locks
from pipeline.io.registry.mlflow_models import MENU, Models, served
from pipeline.io.security import model_files, signing

__all__ = ["MENU", "checked", "digests", "is_whole", "keep", "served", "signed", "signer", "verified"]

EVALUATION = "evaluation.json"


def digests(candidate: Mapping[str, str], evaluation: Mapping[str, Any]) -> dict[str, str]:
    """Give the digests the copy of a release must have: the candidate's served files, and its evaluation as we write it."""
    return {**served(candidate), EVALUATION: hashlib.sha256(files.as_json(evaluation)).hexdigest()}


def signer(places: Places) -> str | None:
    """Name the key that new models are signed with; None where there is none."""
    return signing.fingerprint(places.signing_key) if places.signing_key else None


def signed(places: Places) -> str | None:
    """Sign the served files of `data/candidate`; the same text as long as neither they nor the key change, None without a key."""
    if places.signing_key is None:
        return None
    folder = places.root / "data" / "candidate"
    covered = served(files.digests(folder))
    made_of = hashlib.sha256(files.as_json({"files": covered, "signer": signer(places)})).hexdigest()
    # Kept, because an elliptic-curve signature is another one each time, and MLflow and the ledger are to hold the same.
    kept = places.home / "signatures" / f"{made_of}.sig"
    if not kept.is_file():
        files.write_bytes(kept, signing.sign(folder, sorted(covered), places.signing_key).encode())
    return kept.read_text("utf-8")


def keep(places: Places, document: Mapping[str, Any]) -> Path:
    """Copy `data/candidate` to the release it has become, unless a good copy is there already."""
    copy = _place(places, document)
    with locks.alone(copy):
        if _fault(copy, document) is not None:
            with files.whole(copy) as desk:
                for name in _names(document):
                    shutil.copyfile(places.root / "data" / "candidate" / name, desk / name)
                _finish(desk, document)
    _check_signature(places, document)
    return copy


def verified(places: Places, document: Mapping[str, Any]) -> Path:
    """Give the folder of a release's files, each checked; fetched from MLflow when missing or changed.

    Raises DigestMismatch when neither place has the right bytes, SignatureRefused when they are not signed as they must be.
    """
    copy = _place(places, document)
    if _fault(copy, document) is not None:
        with locks.alone(copy):
            # Another process may have fetched it while this one waited.
            fault = _fault(copy, document)
            if fault is not None:
                _fetch(places, document, fault)
    _check_signature(places, document)
    return copy


def checked(places: Places, document: Mapping[str, Any]) -> None:
    """Check a release's local copy and its signature as they are, and fetch nothing.

    Raises DigestMismatch and SignatureRefused as `verified` does.
    """
    fault = _fault(_place(places, document), document)
    if fault is not None:
        raise DigestMismatch(f"The local copy of {document['release']} does not hold: {fault}")
    _check_signature(places, document)


def is_whole(places: Places, document: Mapping[str, Any]) -> bool:
    """Say whether a release's local copy can be used as it is."""
    try:
        checked(places, document)
    except TonewatchError:
        return False
    return True


def _fetch(places: Places, document: Mapping[str, Any], fault: str) -> None:
    try:
        with files.whole(_place(places, document)) as desk:
            Models(places.mlflow).fetch(document["model_version"], desk, _names(document))
            _finish(desk, document)
    except TonewatchError as error:
        raise DigestMismatch(
            f"{document['release']} cannot be used. Its local copy: {fault} Its copy in MLflow: {error} "
            "Nothing was changed. Mend one of the two, then type the same again."
        ) from error


def _finish(desk: Path, document: Mapping[str, Any]) -> None:
    files.write_json(desk / EVALUATION, document["evaluation"])
    files.verify(desk, dict(document["files"]))
    model_files.inspect(desk)


def _place(places: Places, document: Mapping[str, Any]) -> Path:
    model_files.check_names(_names(document))
    return places.releases / str(document["release"])


def _names(document: Mapping[str, Any]) -> list[str]:
    return sorted(set(document["files"]) - {EVALUATION})


def _fault(copy: Path, document: Mapping[str, Any]) -> str | None:
    if not copy.is_dir():
        return f"{copy} is missing."
    if (copy / files.RECEIPT).exists():  # which `verify` passes over
        return f"{copy / files.RECEIPT} does not belong there."
    try:
        files.verify(copy, dict(document["files"]))
    except DigestMismatch as error:
        return str(error)
    return None


def _check_signature(places: Places, document: Mapping[str, Any]) -> None:
    if places.verify_key is None:
        return
    name, signature = document["release"], document.get("signature")
    if not signature:
        raise SignatureRefused(
            f"{name} is not signed, and TONEWATCH_VERIFY_KEY asks for a signature. Sign what is released with TONEWATCH_SIGNING_KEY "
            "and `tonewatch run`."
        )
    try:
        signing.check(_place(places, document), _names(document), str(signature), places.verify_key)
    except SignatureRefused as error:
        raise SignatureRefused(f"{name} cannot be used: {error}") from error
