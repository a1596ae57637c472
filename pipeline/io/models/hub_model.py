"""A model of the Hugging Face hub at a pinned commit: three files are fetched, none of its code."""

import errno
import http
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from pipeline.base import logs
from pipeline.base.config import HubWeights
from pipeline.base.errors import ConfigError, DigestMismatch, SourceUnreachable, TonewatchError
from pipeline.io import files
from pipeline.io.models.published_folder import PUBLISHED, inspect_published, missing_sentence
from pipeline.io.security.model_files import largest_file

if TYPE_CHECKING:
    from huggingface_hub.file_download import HfFileMetadata

ENDPOINT = "HF_ENDPOINT"
REASON_CHARACTERS = 300

Result = TypeVar("Result")


def fetch_hub_model(hub: HubWeights, downloads: Path, *, where: str) -> Path:
    """Return the folder with the files of a model of the hub, fetched unless `downloads` holds it whole.

    `where` names the model and its key of params.yaml. Raises SourceUnreachable where the hub does not
    respond, or has no such model or commit, DigestMismatch where it sends another commit, ConfigError for a
    model without one of the files, and UnsafeModelFile for a file that is not what its name says, of which
    nothing is kept.
    """
    folder = downloads / "hub" / f"{hub.model.replace('/', '--')}@{hub.revision}"
    if _is_whole(folder):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    with files.staging_dir(folder) as staging:
        for name in PUBLISHED:
            _named(where, lambda name=name: _fetch(hub, name, staging, where))  # type: ignore[misc]
            inspect_published(staging / name, where=where)
        # What the library notes about its downloads.
        shutil.rmtree(staging / ".cache", ignore_errors=True)
        files.write_json(staging / files.RECEIPT, files.folder_digests(staging))
    logs.get("pretrain").info("hub.fetched", model=hub.model, revision=hub.revision[:12])
    return folder


def hub_name() -> str:
    """Return the name of the hub that is asked; raise ConfigError where HF_ENDPOINT is no address of one."""
    endpoint = os.environ.get(ENDPOINT)
    if not endpoint:
        return "the Hugging Face hub"
    try:
        address = urlsplit(endpoint)
        name, _ = address.hostname, address.port
    except ValueError:
        name = None
    if not name or address.scheme not in ("http", "https"):
        raise ConfigError(
            f"{ENDPOINT} is {endpoint!r}, which is no address of a hub. Type: export "
            f"{ENDPOINT}=https://HOST, or: unset {ENDPOINT}"
        )
    return name


def _is_whole(folder: Path) -> bool:
    try:
        files.verify_folder(folder, files.read_json(folder / files.RECEIPT))
    except (TonewatchError, OSError, ValueError):
        return False
    return True


def _fetch(hub: HubWeights, name: str, staging: Path, where: str) -> None:
    from huggingface_hub import HfApi, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    # The library reads the variable when it is imported, which another part of the process may have done.
    api = HfApi(endpoint=os.environ.get(ENDPOINT) or None)
    try:
        found = api.get_hf_file_metadata(
            url=hf_hub_url(hub.model, name, revision=hub.revision, endpoint=api.endpoint)
        )
        _require_promised(found, hub, name, where)
        api.hf_hub_download(hub.model, name, revision=hub.revision, local_dir=staging)
    except LocalEntryNotFoundError:
        raise
    except EntryNotFoundError as error:
        others = api.list_repo_files(hub.model, revision=hub.revision)
        raise ConfigError(f"{where}: {missing_sentence(name, others)}") from error


def _require_promised(found: "HfFileMetadata", hub: HubWeights, name: str, where: str) -> None:
    """Raise, before it is fetched, for a file of another commit, or one larger than a model may have."""
    if found.commit_hash not in (None, hub.revision):
        raise DigestMismatch(
            f"{where}: {hub_name()} sends {name} of the commit {found.commit_hash[:12]}. Write a `revision` "
            f"that it holds under `encoder.hub` in params.yaml, or name another hub by {ENDPOINT}."
        )
    if (found.size or 0) > (most := largest_file(name)):
        raise ConfigError(
            f"{where}: {name} has {found.size:,} bytes; the maximum is {most:,}. Choose a smaller model."
        )


def _named(where: str, work: Callable[[], Result]) -> Result:
    """Do something with the hub; turn what the library raises into an error with cause and next step."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        return work()
    except TonewatchError:
        raise
    except RevisionNotFoundError as error:
        raise SourceUnreachable(
            f"{where}: the model has no such commit. Correct `revision` under `encoder.hub` in params.yaml: "
            "the page of the model shows its 40 digits under Files, History."
        ) from error
    except RepositoryNotFoundError as error:
        raise SourceUnreachable(
            f"{where}: the model is not there, or not for everyone. Correct `model` under `encoder.hub` in "
            f"params.yaml. {_key_step()}"
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        if (status := _status(error)) in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            raise SourceUnreachable(f"{where}: the hub refuses it ({status}). {_key_step()}") from error
        reason = (str(error).strip().splitlines() or [""])[0][:REASON_CHARACTERS].rstrip(".")
        step = (
            "Type: unset HF_HUB_OFFLINE"
            if os.environ.get("HF_HUB_OFFLINE")
            else "Check the network and HF_ENDPOINT"
        )
        raise SourceUnreachable(
            f"{where} cannot be read ({type(error).__name__}: {reason}). {step}, then type the same again; "
            "or save its files in a folder, and write `start: folder` under `encoder` in params.yaml."
        ) from error


def _status(error: BaseException) -> int | None:
    """Return the status that the hub answered with, also where the library has wrapped the answer."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if status is not None or error.__cause__ is None else _status(error.__cause__)


def _key_step() -> str:
    """Return what to do about a model that not everybody may read."""
    if os.environ.get("HF_TOKEN"):
        return "If it is private or gated, give the key in HF_TOKEN access to it, or put another one there."
    return "If it is private or gated, put a key that may read it into the variable HF_TOKEN."
