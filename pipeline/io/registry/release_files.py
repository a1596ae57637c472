"""The local copy of a release: checked when it is made and before every use, fetched again when it is lost.

What is in service can so be served, and gone back to, while the model registry is down. The ledger's document says which
bytes a release has; a signature, where a key to check it is configured, says who made them, and is then asked of every use.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.base.config import Workspace
from pipeline.base.errors import DigestMismatch, InvalidSignature, TonewatchError
from pipeline.io import files, locks
from pipeline.io.registry.mlflow_models import MENU, ModelRegistry, served_files
from pipeline.io.security import model_files, signing

__all__ = [
    "MENU",
    "check_copy",
    "release_digests",
    "copy_is_intact",
    "keep_local_copy",
    "served_files",
    "sign_candidate",
    "signer_fingerprint",
    "verified_copy",
]

EVALUATION = "evaluation.json"


def release_digests(candidate: Mapping[str, str], evaluation: Mapping[str, Any]) -> dict[str, str]:
    """Give the digests the copy of a release must have: the candidate's served files, and its evaluation as we write it."""
    return {**served_files(candidate), EVALUATION: hashlib.sha256(files.json_bytes(evaluation)).hexdigest()}


def signer_fingerprint(workspace: Workspace) -> str | None:
    """Name the key that new models are signed with; None where there is none."""
    return signing.key_fingerprint(workspace.signing_key) if workspace.signing_key else None


def sign_candidate(workspace: Workspace) -> str | None:
    """Sign the served files of `data/candidate`; the same text as long as neither they nor the key change, None without a key."""
    if workspace.signing_key is None:
        return None
    folder = workspace.root / "data" / "candidate"
    covered = served_files(files.folder_digests(folder))
    made_of = hashlib.sha256(
        files.json_bytes({"files": covered, "signer": signer_fingerprint(workspace)})
    ).hexdigest()
    # Kept, because an elliptic-curve signature is another one each time, and MLflow and the ledger are to hold the same.
    kept = workspace.home / "signatures" / f"{made_of}.sig"
    if not kept.is_file():
        files.write_bytes(kept, signing.sign(folder, sorted(covered), workspace.signing_key).encode())
    return kept.read_text("utf-8")


def keep_local_copy(workspace: Workspace, document: Mapping[str, Any]) -> Path:
    """Copy `data/candidate` to the release it has become, unless a good copy is there already."""
    copy = _place(workspace, document)
    with locks.folder_lock(copy):
        if _fault(copy, document) is not None:
            with files.staging_dir(copy) as staging:
                for name in _names(document):
                    shutil.copyfile(workspace.root / "data" / "candidate" / name, staging / name)
                _finish(staging, document)
    _check_signature(workspace, document)
    return copy


def verified_copy(workspace: Workspace, document: Mapping[str, Any]) -> Path:
    """Give the folder of a release's files, each checked; fetched from MLflow when missing or changed.

    Raises DigestMismatch when neither place has the right bytes, SignatureRefused when they are not signed as they must be.
    """
    copy = _place(workspace, document)
    if _fault(copy, document) is not None:
        with locks.folder_lock(copy):
            # Another process may have fetched it while this one waited.
            fault = _fault(copy, document)
            if fault is not None:
                _fetch(workspace, document, fault)
    _check_signature(workspace, document)
    return copy


def check_copy(workspace: Workspace, document: Mapping[str, Any]) -> None:
    """Check a release's local copy and its signature as they are, and fetch nothing.

    Raises DigestMismatch and SignatureRefused as `verified` does.
    """
    fault = _fault(_place(workspace, document), document)
    if fault is not None:
        raise DigestMismatch(f"The local copy of {document['release']} does not hold: {fault}")
    _check_signature(workspace, document)


def copy_is_intact(workspace: Workspace, document: Mapping[str, Any]) -> bool:
    """Say whether a release's local copy can be used as it is."""
    try:
        check_copy(workspace, document)
    except TonewatchError:
        return False
    return True


def _fetch(workspace: Workspace, document: Mapping[str, Any], fault: str) -> None:
    try:
        with files.staging_dir(_place(workspace, document)) as staging:
            ModelRegistry(workspace.mlflow).fetch(document["model_version"], staging, _names(document))
            _finish(staging, document)
    except TonewatchError as error:
        raise DigestMismatch(
            f"{document['release']} cannot be used. Its local copy: {fault} Its copy in MLflow: {error} "
            "Nothing was changed. Mend one of the two, then type the same again."
        ) from error


def _finish(staging: Path, document: Mapping[str, Any]) -> None:
    files.write_json(staging / EVALUATION, document["evaluation"])
    files.verify_folder(staging, dict(document["files"]))
    model_files.inspect_folder(staging)


def _place(workspace: Workspace, document: Mapping[str, Any]) -> Path:
    model_files.check_names(_names(document))
    return workspace.releases / str(document["release"])


def _names(document: Mapping[str, Any]) -> list[str]:
    return sorted(set(document["files"]) - {EVALUATION})


def _fault(copy: Path, document: Mapping[str, Any]) -> str | None:
    if not copy.is_dir():
        return f"{copy} is missing."
    if (copy / files.RECEIPT).exists():  # which `verify` passes over
        return f"{copy / files.RECEIPT} does not belong there."
    try:
        files.verify_folder(copy, dict(document["files"]))
    except DigestMismatch as error:
        return str(error)
    return None


def _check_signature(workspace: Workspace, document: Mapping[str, Any]) -> None:
    if workspace.verify_key is None:
        return
    name, signature = document["release"], document.get("signature")
    if not signature:
        raise InvalidSignature(
            f"{name} is not signed, and TONEWATCH_VERIFY_KEY asks for a signature. Sign what is released with TONEWATCH_SIGNING_KEY "
            "and `tonewatch run`."
        )
    try:
        signing.check_signature(
            _place(workspace, document), _names(document), str(signature), workspace.verify_key
        )
    except InvalidSignature as error:
        raise InvalidSignature(f"{name} cannot be used: {error}") from error
