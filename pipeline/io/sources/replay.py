"""The source of kind `replay`: texts of sources that are no longer listed, from the newest data version."""

from collections.abc import Iterable
from pathlib import Path

from pipeline.base.config import CollectConfig
from pipeline.base.config.sources import ReplaySource
from pipeline.base.digests import text_digest
from pipeline.base.records import SPLITS, TextRecord
from pipeline.base.tasks import is_collected
from pipeline.io.sources.audit import LICENCE as AUDIT_LICENCE
from pipeline.io.versioning import data_branch
from pipeline.io.versioning.data_versions import read_split
from pipeline.io.versioning.git import GitRefused

# The source of feedback, which is not replayed when it is no longer listed.
FEEDBACK = "feedback"


def read_replay(root: Path, source: ReplaySource, cfg: CollectConfig) -> list[TextRecord]:
    """Return at most `source.max_texts` texts of each source that is no longer listed, under its name.

    The choice depends on their ids alone, so a replay of a replay is the same.
    """
    version = _newest_version(root)
    if version is None:
        return []
    unlisted = sorted(set(version.sources) - {FEEDBACK, *(listed.name for listed in cfg.sources)})
    if not unlisted:
        return []
    # Audit labels only train where their source is listed: otherwise they judge.
    records = [
        record
        for record in read_split(root, version.name, *SPLITS)
        if is_collected(record.label, cfg.labels) and record.licence != AUDIT_LICENCE
    ]
    return [
        record
        for name in unlisted
        for record in _sample((record for record in records if record.source == name), source.max_texts)
    ]


def _newest_version(root: Path) -> data_branch.DataVersion | None:
    try:
        versions = data_branch.list_versions(root)
    except GitRefused:
        return None
    return versions[0] if versions else None


def _sample(records: Iterable[TextRecord], size: int) -> list[TextRecord]:
    by_digest = sorted(records, key=lambda record: text_digest(record.id))
    return sorted(by_digest[:size], key=lambda record: record.id)
