"""Identity: a digest of the code that each stage runs, so that DVC sees when it changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import Source
from pipeline.base.config.workspace import user_path
from pipeline.base.digests import text_digest
from pipeline.base.errors import SourceUnreachable
from pipeline.base.records import Receipt
from pipeline.io.corrections import corrections_identity
from pipeline.io.forgetting.tombstones import tombstones_identity
from pipeline.io.models.published_folder import folder_identity
from pipeline.io.sources.source_reader import SourceReader
from pipeline.io.versioning.code_digest import code_digest, write_identities
from pipeline.stages.table import STAGES

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext


def identity(
    reader: SourceReader,
    out: Path,
    stages: Mapping[str, tuple[str, str]],
    *,
    learnt: str = "",
    forgotten: str = "",
    corrections: str = "",
    encoder: str = "",
    start: str = "",
) -> Receipt:
    """Write a digest of the code that each stage runs; that of `collect` covers its sources.

    `stages` maps the name of a stage to its module and function. `learnt` names what the split keeps apart,
    empty where that is nothing, `forgotten` what `collect` leaves out, and
    `corrections` the labels that `clean` corrects, `encoder` the files of a folder that `pretrain` starts
    from, `start` the release that `finetune` goes on from.
    """
    digests = {name: code_digest(module, function) for name, (module, function) in stages.items()}
    sources = [f"{source.name}:{_identity_of(source, reader)}" for source in reader.sources]
    collect = text_digest("\n".join([digests["collect"], *sources, *filter(None, (forgotten,))]))
    split = {"split": text_digest(f"{digests['split']}\n{learnt}")} if learnt else {}
    clean = {"clean": text_digest(f"{digests['clean']}\n{corrections}")} if corrections else {}
    pretrain = {"pretrain": text_digest(f"{digests['pretrain']}\n{encoder}")} if encoder else {}
    finetune = {"finetune": text_digest(f"{digests['finetune']}\n{start}")} if start else {}
    return write_identities(out, {**digests, "collect": collect, **clean, **split, **pretrain, **finetune})


def _identity_of(source: Source, reader: SourceReader) -> str:
    try:
        return reader.identity(source)
    except SourceUnreachable:
        # `collect` raises it if it runs: pinned data need no source.
        return "unreachable"


def _encoder_identity(context: "StageContext") -> str:
    encoder = context.params.encoder
    if encoder.start != "folder" or encoder.folder is None:
        return ""
    return folder_identity(context.workspace.root / user_path(encoder.folder))


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    from pipeline.io.learnt_texts import learnt_identity
    from pipeline.io.models.champion_start import start_identity

    modules = {stage.name: (stage.module, stage.name) for stage in STAGES if stage.name != "identity"}
    learnt = learnt_identity(context.workspace, context.params.split)
    return identity(
        context.source_reader,
        context.folder("identity"),
        modules,
        learnt=learnt,
        forgotten=tombstones_identity(context.workspace.root),
        corrections=corrections_identity(context.workspace.root),
        encoder=_encoder_identity(context),
        start=start_identity(context.workspace, context.params),
    )
