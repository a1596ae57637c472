"""What a new training learns from besides its sources: true labels people sent to the service, and a bounded replay of the past.

Each has an identity, as a source has: while it stays the same, `collect` is unchanged.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.base.config import CollectConfig, Workspace
from pipeline.base.records import SPLITS, Feedback, TextRecord
from pipeline.io import parquet
from pipeline.io.journal.journal import Journal
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.git import GitRefused
from pipeline.io.versioning.data_versions import read_split

FEEDBACK = "feedback"


def past(root: Path, journal: Path, cfg: CollectConfig) -> list[TextRecord]:
    """Give the texts that come from no source: told labels first, then what is replayed."""
    return [*feedback_records(journal, cfg), *replayed_records(root, cfg)]


def records_digest(records: Sequence[TextRecord]) -> str:
    """Digest records; equal ones give equal digests."""
    rows = (json.dumps(dataclasses.astuple(record)) for record in records)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def feedback_records(journal: Path, cfg: CollectConfig) -> list[TextRecord]:
    """Give the newest texts whose label somebody told, at most `max_texts`, in the order of their ids.

    The last label told for an answer counts; one whose text was not kept teaches nothing.
    """
    if cfg.feedback is None or not journal.is_dir():
        return []
    latest = {
        entry.text: entry
        for entry in Journal.reading(journal).labels()
        if entry.text and entry.label in cfg.labels
    }
    newest = sorted(latest.values(), key=lambda entry: (entry.time, entry.request, entry.position))[
        -cfg.feedback.max_texts :
    ]
    return sorted((_record(entry, cfg) for entry in newest), key=lambda record: record.id)


def count_new_labels(workspace: Workspace, cfg: CollectConfig) -> int:
    """Count the told texts that the data in the work tree were not made of."""
    raw = workspace.root / "data" / "raw" / "texts.parquet"
    learnt = {record.id: record.label for record in parquet.read_texts(raw)} if raw.is_file() else {}
    return sum(
        1 for record in feedback_records(workspace.journal, cfg) if learnt.get(record.id) != record.label
    )


def replayed_records(root: Path, cfg: CollectConfig) -> list[TextRecord]:
    """Give texts of sources that are no longer listed, from the newest data version: of each at most `max_texts`.

    Which ones hangs on their ids alone, so a replay of a replay is the same.
    """
    version = _newest(root) if cfg.replay else None
    listed = {FEEDBACK, *(source.name for source in cfg.sources)}
    gone = sorted(set(version.sources) - listed) if version else []
    if cfg.replay is None or version is None or not gone:
        return []
    records = [record for record in read_split(root, version.name, *SPLITS) if record.label in cfg.labels]
    return [
        record
        for name in gone
        for record in _drawn((one for one in records if one.source == name), cfg.replay.max_texts)
    ]


def _record(entry: Feedback, cfg: CollectConfig) -> TextRecord:
    # One text, however often it was asked about, stays on one side of the split.
    key = hashlib.sha256(entry.text.encode()).hexdigest()[:16]
    first = cfg.tables[0]
    return TextRecord(
        id=f"{FEEDBACK}:{key}",
        text=entry.text,
        label=entry.label,
        source=FEEDBACK,
        group=f"{FEEDBACK}:{key}",
        lang=first.lang,
        time=entry.time,
        licence="told by users of the service",
    )


def _newest(root: Path) -> data_branch.DataVersion | None:
    try:
        known = data_branch.list_versions(root)
    except GitRefused:
        return None
    return known[0] if known else None


def _drawn(records: Iterable[TextRecord], most: int) -> list[TextRecord]:
    by_lot = sorted(records, key=lambda record: hashlib.sha256(record.id.encode()).digest())
    return sorted(by_lot[:most], key=lambda record: record.id)
