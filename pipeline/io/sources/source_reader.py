"""Every source as records with an identity: tables, feedback and replay are read in one way."""

import dataclasses
import functools
from collections.abc import Callable, Iterable

from pipeline.base.config import (
    CollectConfig,
    FeedbackSource,
    FileSource,
    PackageSource,
    ReplaySource,
    Source,
    Workspace,
)
from pipeline.base.digests import json_digest
from pipeline.base.records import TextRecord, Unreadable
from pipeline.io import files
from pipeline.io.sources.feedback import read_feedback
from pipeline.io.sources.readers import read_rows, source_files
from pipeline.io.sources.replay import read_replay
from pipeline.io.sources.rows import RowTally, rows_to_records

# What Tonewatch itself recorded: in the journal, in data versions.
RecordedSource = FeedbackSource | ReplaySource


class SourceReader:
    """Read the sources that `collect.sources` lists; `read_recorded` reads those of kind feedback and replay.

    The code of `read_recorded` is no part of the code that `collect` runs: the identity of such a source is
    the digest of its records.
    """

    def __init__(
        self,
        workspace: Workspace,
        cfg: CollectConfig,
        read_recorded: Callable[[RecordedSource], list[TextRecord]],
    ) -> None:
        self._workspace = workspace
        self._cfg = cfg
        self._read_recorded = read_recorded

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return the sources in the order in which their records are collected."""
        return self._cfg.sources

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels that are collected."""
        return self._cfg.labels

    def records(self, source: Source, tally: RowTally | None = None) -> Iterable[TextRecord | Unreadable]:
        """Return the records of a source and what of it could not be read; `tally` counts as `RowTally` says.

        Raises SourceUnreachable when it is missing, DataRejected when its content is not as params.yaml says.
        """
        if isinstance(source, RecordedSource):
            return self._read_recorded(source)
        rows = read_rows(
            source,
            root=self._workspace.root,
            downloads=self._workspace.downloads,
            max_bytes=self._cfg.max_megabytes * 1_000_000,
        )
        return rows_to_records(rows, source, self._cfg.labels, tally)

    def identity(self, source: Source) -> str:
        """Return a SHA-256 that changes when the records of a source may have changed.

        It is that of a table's bytes (pinned for a package), and that of the records of feedback and replay.
        Raises SourceUnreachable for a missing file.
        """
        if isinstance(source, PackageSource):
            return source.sha256
        if isinstance(source, FileSource):
            digests = [files.sha256(path) for path in source_files(source, self._workspace.root)]
            return digests[0] if len(digests) == 1 else json_digest(digests)
        return json_digest([dataclasses.astuple(record) for record in self._read_recorded(source)])


def open_sources(workspace: Workspace, cfg: CollectConfig) -> SourceReader:
    """Return a reader that reads feedback and replay once.

    So `collect` writes the records that `identity` digested, whatever feedback arrives in between.
    """

    @functools.cache
    def read_recorded(source: RecordedSource) -> list[TextRecord]:
        if isinstance(source, FeedbackSource):
            return read_feedback(workspace.journal, source, cfg)
        return read_replay(workspace.root, source, cfg)

    return SourceReader(workspace, cfg, read_recorded)
