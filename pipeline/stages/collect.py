"""Collect: read every source into one table of records."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import CollectConfig
from pipeline.base.records import Receipt, TextRecord, counts_by
from pipeline.io import files, parquet
from pipeline.io.sources import feedback, identity, readers, rows

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext

TEXTS = "texts.parquet"


def collect(
    root: Path, downloads: Path, out: Path, cfg: CollectConfig, *, past: Sequence[TextRecord] = ()
) -> Receipt:
    """Read every source into one table of records, and add those of the past that come from none."""
    found: list[TextRecord] = []
    notes = {}
    for source in cfg.tables:
        source_rows = readers.read_rows(
            source, root=root, downloads=downloads, max_bytes=cfg.max_megabytes * 1_000_000
        )
        found += rows.rows_to_records(source_rows, source, cfg.labels)
        notes[f"source/{source.name}"] = identity.source_identity(source, root)
    found += past
    counts = {
        "out": len(found),
        **counts_by("source", (r.source for r in found)),
        **counts_by("label", (r.label for r in found)),
    }
    with files.staging_dir(out) as staging:
        parquet.write_texts(staging / TEXTS, found)
        logs.get("collect").info("texts.collected", texts=len(found), sources=len(cfg.tables))
        return files.write_receipt(staging, Receipt("collect", counts=counts, notes=notes))


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    workspace, cfg = context.workspace, context.params.collect
    past = feedback.past(workspace.root, workspace.journal, cfg)
    return collect(workspace.root, workspace.downloads, context.folder("collect"), cfg, past=past)
