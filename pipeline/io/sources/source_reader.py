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
    SqlSource,
    Workspace,
)
from pipeline.base.digests import json_digest
from pipeline.base.records import TextRecord, Unreadable
from pipeline.io import files
from pipeline.io.queries.snapshot import Snapshot, take_snapshot
from pipeline.io.sources.feedback import read_feedback
from pipeline.io.sources.readers import checked_rows, read_rows, source_files
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
        read_query: Callable[[SqlSource], Snapshot],
    ) -> None:
        self._workspace = workspace
        self._cfg = cfg
        self._read_recorded = read_recorded
        self._read_query = read_query

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
        if isinstance(source, SqlSource):
            return self._query_records(source, tally)
        rows = read_rows(
            source,
            root=self._workspace.root,
            downloads=self._workspace.downloads,
            max_bytes=self._cfg.max_megabytes * 1_000_000,
        )
        return rows_to_records(rows, source, self._cfg.labels, tally)

    def _query_records(self, source: SqlSource, tally: RowTally | None) -> Iterable[TextRecord | Unreadable]:
        snapshot = self._read_query(source)
        if tally is not None:
            tally.watermark, tally.remark = snapshot.watermark, snapshot.remark
        rows = checked_rows(snapshot.rows(), source, snapshot.where)
        return rows_to_records(rows, source, self._cfg.labels, tally)

    def identity(self, source: Source) -> str:
        """Return a SHA-256 that changes when the records of a source may have changed.

        It is that of a table's bytes (pinned for a package), that of the rows that a query
        returned, and that of the records of feedback and replay.
        Raises SourceUnreachable for a missing file.
        """
        if isinstance(source, PackageSource):
            return source.sha256
        if isinstance(source, FileSource):
            digests = [files.sha256(path) for path in source_files(source, self._workspace.root)]
            return digests[0] if len(digests) == 1 else json_digest(digests)
        if isinstance(source, SqlSource):
            return self._read_query(source).identity
        return json_digest([dataclasses.astuple(record) for record in self._read_recorded(source)])


def open_sources(workspace: Workspace, cfg: CollectConfig) -> SourceReader:
    """Return a reader that reads feedback, replay and each query once.

    So `collect` writes the records that `identity` digested, whatever feedback arrives in between.
    """

    @functools.cache
    def read_recorded(source: RecordedSource) -> list[TextRecord]:
        if isinstance(source, FeedbackSource):
            return read_feedback(workspace.journal, source, cfg)
        return read_replay(workspace.root, source, cfg)

    @functools.cache
    def read_query(name: str) -> Snapshot:
        source = next(one for one in cfg.sources if one.name == name)
        assert isinstance(source, SqlSource)
        return take_snapshot(
            source,
            root=workspace.root,
            max_bytes=cfg.max_megabytes * 1_000_000,
            earlier=_last_watermark(workspace, name),
        )

    return SourceReader(workspace, cfg, read_recorded, lambda source: read_query(source.name))


def watermark_note(source: str) -> str:
    """Return the name of the note of `collect` that says up to where a source was read."""
    return f"watermark/{source}"


def _last_watermark(workspace: Workspace, source: str) -> str:
    try:
        notes = files.read_receipt(workspace.root / "data" / "raw").notes
    except (OSError, ValueError, TypeError):  # nothing was collected yet, or it was left half
        return ""
    return notes.get(watermark_note(source), "")
