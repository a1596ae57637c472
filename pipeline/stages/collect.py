"""Collect: read every source into one table of records."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.records import Receipt, TextRecord, Unreadable, counts_by
from pipeline.io import files, parquet
from pipeline.io.sources.source_reader import SourceReader

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext

TEXTS = "texts.parquet"


def collect(reader: SourceReader, out: Path) -> Receipt:
    """Read every source, in the order in which they are listed, into one table of records.

    The receipt notes the identity of each source as `source/<name>`.
    """
    records: list[TextRecord] = []
    identities = {}
    unreadable = 0
    for source in reader.sources:
        for record in reader.records(source):
            if isinstance(record, Unreadable):
                unreadable += 1
            else:
                records.append(record)
        identities[f"source/{source.name}"] = reader.identity(source)
    counts = {
        "out": len(records),
        **({"unreadable": unreadable} if unreadable else {}),
        **counts_by("source", (record.source for record in records)),
        **counts_by("label", (record.label for record in records)),
    }
    with files.staging_dir(out) as staging:
        parquet.write_texts(staging / TEXTS, records)
        logs.get("collect").info("texts.collected", texts=len(records), sources=len(reader.sources))
        return files.write_receipt(staging, Receipt("collect", counts=counts, notes=identities))


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    return collect(context.source_reader, context.folder("collect"))
