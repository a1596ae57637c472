"""Every source as records with an identity: tables, feedback and replay are read in one way."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence

from pipeline.base.config import CollectConfig, Source, Workspace
from pipeline.base.config.sources import FeedbackSource, FileSource, PackageSource
from pipeline.base.records import TextRecord
from pipeline.io import files
from pipeline.io.sources.feedback import read_feedback
from pipeline.io.sources.readers import read_rows, resolve_path
from pipeline.io.sources.replay import read_replay
from pipeline.io.sources.rows import rows_to_records


class SourceReader:
    """Read the sources that `collect.sources` of a workspace lists.

    Feedback and replay are read once: what `collect` writes is what `identity` digested, whatever comes in between.
    """

    def __init__(self, workspace: Workspace, cfg: CollectConfig) -> None:
        self._workspace = workspace
        self._cfg = cfg
        self._memory: dict[str, list[TextRecord]] = {}

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return the sources in the order in which their records are collected."""
        return self._cfg.sources

    def records(self, source: Source) -> Iterable[TextRecord]:
        """Return the records of a source.

        Raises SourceUnreachable when it is not there, DataRejected when params.yaml does not describe its content.
        """
        if isinstance(source, PackageSource | FileSource):
            rows = read_rows(
                source,
                root=self._workspace.root,
                downloads=self._workspace.downloads,
                max_bytes=self._cfg.max_megabytes * 1_000_000,
            )
            return rows_to_records(rows, source, self._cfg.labels)
        if source.name not in self._memory:
            if isinstance(source, FeedbackSource):
                self._memory[source.name] = read_feedback(self._workspace.journal, source, self._cfg)
            else:
                self._memory[source.name] = read_replay(self._workspace.root, source, self._cfg)
        return self._memory[source.name]

    def identity(self, source: Source) -> str:
        """Return a SHA-256 that changes exactly when the records of a source change.

        That of the bytes of a table (pinned for a package), that of the records of feedback and replay.
        Raises SourceUnreachable for a missing file.
        """
        if isinstance(source, PackageSource):
            return source.sha256
        if isinstance(source, FileSource):
            return files.sha256(resolve_path(source, self._workspace.root))
        return records_digest([*self.records(source)])


def records_digest(records: Sequence[TextRecord]) -> str:
    """Return the SHA-256 of records in their order."""
    rows = (json.dumps(dataclasses.astuple(record)) for record in records)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
