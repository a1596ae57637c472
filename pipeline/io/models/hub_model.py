"""A model of the Hugging Face hub at a pinned commit: three files are fetched, none of its code."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pipeline.base import logs
from pipeline.base.config import HubWeights
from pipeline.base.errors import ConfigError, SourceUnreachable, TonewatchError
from pipeline.io import files
from pipeline.io.models.published_folder import PUBLISHED, missing_sentence

REASON_CHARACTERS = 300

Result = TypeVar("Result")


def fetch_hub_model(hub: HubWeights, downloads: Path, *, where: str) -> Path:
    """Return the folder with the files of a model of the hub, fetched unless `downloads` holds it whole.

    `where` names the model and its key of params.yaml. Raises SourceUnreachable where the hub does not
    respond, or has no such model or commit, and ConfigError for a model without one of the files.
    """
    folder = downloads / "hub" / f"{hub.model.replace('/', '--')}@{hub.revision}"
    if _is_whole(folder):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    with files.staging_dir(folder) as staging:
        for name in PUBLISHED:
            _named(where, lambda name=name: _fetch(hub, name, staging, where))  # type: ignore[misc]
        # What the library notes about its downloads.
        shutil.rmtree(staging / ".cache", ignore_errors=True)
        files.write_json(staging / files.RECEIPT, files.folder_digests(staging))
    logs.get("pretrain").info("hub.fetched", model=hub.model, revision=hub.revision[:12])
    return folder


def hub_name() -> str:
    """Return the name of the hub that is asked."""
    return urlsplit(os.environ.get("HF_ENDPOINT", "")).hostname or "the Hugging Face hub"


def _is_whole(folder: Path) -> bool:
    try:
        files.verify_folder(folder, files.read_json(folder / files.RECEIPT))
    except (TonewatchError, OSError, ValueError):
        return False
    return True


def _fetch(hub: HubWeights, name: str, staging: Path, where: str) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    # The library reads the variable when it is imported, which another part of the process may have done.
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    try:
        api.hf_hub_download(hub.model, name, revision=hub.revision, local_dir=staging)
    except LocalEntryNotFoundError:
        raise
    except EntryNotFoundError as error:
        others = api.list_repo_files(hub.model, revision=hub.revision)
        raise ConfigError(f"{where}: {missing_sentence(name, others)}") from error


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
            "params.yaml; for a private one type: export HF_TOKEN=KEY"
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
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
