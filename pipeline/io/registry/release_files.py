"""The local copy of a release: verified when written and before every use, fetched from MLflow when lost.

So a champion can be served, and rolled back to, while MLflow is down. The record in the ledger holds the
digest of each file; where a verification key is configured, a signature must cover them too.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.base.config import Workspace
from pipeline.base.documents import EvaluationReport, ReleaseRecord
from pipeline.base.errors import DigestMismatch, InvalidSignature, TonewatchError
from pipeline.io import files, locks
from pipeline.io.registry.mlflow_models import EVALUATION, ModelRegistry, candidate_digest, served_files
from pipeline.io.registry.open_registry import open_registry
from pipeline.io.security import model_files, signing


def release_digests(candidate: Mapping[str, str], evaluation: EvaluationReport) -> dict[str, str]:
    """Return the SHA-256 of each file of a release: the served files, and the evaluation report."""
    return {**served_files(candidate), EVALUATION: hashlib.sha256(files.json_bytes(evaluation)).hexdigest()}


def signer_fingerprint(workspace: Workspace) -> str | None:
    """Return the fingerprint of the signing key, None where none is configured."""
    return signing.key_fingerprint(workspace.signing_key) if workspace.signing_key else None


def sign_candidate(workspace: Workspace) -> str | None:
    """Return the signature over the served files of `data/candidate`, None without a signing key.

    It is stored: elliptic-curve signatures differ each time, and MLflow and the ledger must hold the same.
    """
    if workspace.signing_key is None:
        return None
    folder = workspace.root / "data" / "candidate"
    digests = served_files(files.folder_digests(folder))
    signed = files.json_bytes({"files": digests, "signer": signer_fingerprint(workspace)})
    path = workspace.home / "signatures" / f"{hashlib.sha256(signed).hexdigest()}.sig"
    if not path.is_file():
        files.write_bytes(path, signing.sign(folder, sorted(digests), workspace.signing_key).encode())
    return path.read_text("utf-8")


def keep_local_copy(workspace: Workspace, release: ReleaseRecord) -> Path:
    """Copy `data/candidate` to the folder of its release, unless that is intact; return the folder."""
    copy = _folder(workspace, release)
    with locks.folder_lock(copy):
        if _fault(copy, release) is not None:
            with files.staging_dir(copy) as staging:
                for name in _names(release):
                    shutil.copyfile(workspace.root / "data" / "candidate" / name, staging / name)
                _finish(staging, release)
    _check_signature(workspace, release)
    return copy


def verified_copy(workspace: Workspace, release: ReleaseRecord) -> Path:
    """Return the folder of a release, verified; fetch it from MLflow where it is missing or changed.

    Raises DigestMismatch where neither has the right bytes, InvalidSignature for a missing or wrong
    signature.
    """
    copy = _folder(workspace, release)
    if _fault(copy, release) is not None:
        with locks.folder_lock(copy):
            # Another process may have fetched it while this one waited.
            fault = _fault(copy, release)
            if fault is not None:
                _fetch(workspace, release, fault)
    _check_signature(workspace, release)
    return copy


def check_copy(workspace: Workspace, release: ReleaseRecord) -> None:
    """Verify the local copy of a release without fetching it; raise as `verified_copy` does."""
    fault = _fault(_folder(workspace, release), release)
    if fault is not None:
        raise DigestMismatch(f"The local copy of {release['release']} is not intact: {fault}")
    _check_signature(workspace, release)


def copy_is_intact(workspace: Workspace, release: ReleaseRecord) -> bool:
    """Return whether `check_copy` passes."""
    try:
        check_copy(workspace, release)
    except TonewatchError:
        return False
    return True


def _fetch(workspace: Workspace, release: ReleaseRecord, fault: str) -> None:
    try:
        with files.staging_dir(_folder(workspace, release)) as staging:
            _download(workspace, release, staging)
            _finish(staging, release)
    except TonewatchError as error:
        raise DigestMismatch(
            f"{release['release']} cannot be used. Its local copy: {fault} Its copy in MLflow: {error} "
            "Nothing was changed. Repair one of the two, then repeat the command."
        ) from error


def _download(workspace: Workspace, release: ReleaseRecord, folder: Path) -> None:
    """Fetch the files of a release from the version in MLflow that holds its digest."""
    registry, version = open_registry(workspace), release["model_version"]
    if not workspace.mlflow_embedded and release.get("model", registry.name) != registry.name:
        registry = ModelRegistry(workspace.mlflow, release["model"])
    found = registry.version_of(candidate_digest(release), version)
    registry.fetch(found or version, folder, _names(release))


def _finish(staging: Path, release: ReleaseRecord) -> None:
    files.write_json(staging / EVALUATION, release["evaluation"])
    files.verify_folder(staging, dict(release["files"]))
    model_files.inspect_folder(staging)


def _folder(workspace: Workspace, release: ReleaseRecord) -> Path:
    model_files.check_names(_names(release))
    return workspace.releases / str(release["release"])


def _names(release: ReleaseRecord) -> list[str]:
    return sorted(set(release["files"]) - {EVALUATION})


def _fault(copy: Path, release: ReleaseRecord) -> str | None:
    if not copy.is_dir():
        return f"{copy} is missing."
    if (copy / files.RECEIPT).exists():  # `verify_folder` skips receipts
        return f"{copy / files.RECEIPT} does not belong there."
    try:
        files.verify_folder(copy, dict(release["files"]))
    except DigestMismatch as error:
        return str(error)
    return None


def _check_signature(workspace: Workspace, release: ReleaseRecord) -> None:
    if workspace.verify_key is None:
        return
    name, signature = release["release"], release.get("signature")
    if not signature:
        raise InvalidSignature(
            f"{name} is not signed, but TONEWATCH_VERIFY_KEY requires a signature. "
            "Set TONEWATCH_SIGNING_KEY and type `tonewatch run`."
        )
    try:
        signing.check_signature(
            _folder(workspace, release), _names(release), str(signature), workspace.verify_key
        )
    except InvalidSignature as error:
        raise InvalidSignature(f"{name} cannot be used: {error}") from error
