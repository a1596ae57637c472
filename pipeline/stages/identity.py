"""Identity: a digest of the code that each stage runs, so that DVC sees when it changes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import CollectConfig, TableSource, Workspace
from pipeline.base.errors import SourceUnreachable
from pipeline.base.records import Receipt
from pipeline.io.sources import feedback
from pipeline.io.versioning.code_digest import code_digest, write_identities
from pipeline.stages.table import STAGES

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext


def identity(
    workspace: Workspace, out: Path, cfg: CollectConfig, stages: Mapping[str, tuple[str, str]]
) -> Receipt:
    """Write a digest of the code each stage runs; for `collect` also of the bytes it would read."""
    digests = {name: code_digest(module, function) for name, (module, function) in stages.items()}
    read = [
        digests["collect"],
        *(f"{source.name}:{_identity_of(source, workspace.root)}" for source in cfg.tables),
    ]
    if past := feedback.past(workspace.root, workspace.journal, cfg):
        read.append(f"past:{feedback.records_digest(past)}")
    return write_identities(out, {**digests, "collect": hashlib.sha256("\n".join(read).encode()).hexdigest()})


def _identity_of(source: TableSource, root: Path) -> str:
    from pipeline.io.sources.identity import source_identity

    try:
        return source_identity(source, root)
    except SourceUnreachable:
        # `collect` will say so, if it is to run: pinned data need no source.
        return "unreachable"


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    modules = {stage.name: (stage.module, stage.name) for stage in STAGES if stage.name != "identity"}
    return identity(context.workspace, context.folder("identity"), context.params.collect, modules)
