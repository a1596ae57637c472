"""Every source as records with an identity: tables, feedback and replay are read in one way."""

import dataclasses
import functools
from collections.abc import Callable, Iterable

from pipeline.base.config import (
    AuditSource,
    CollectConfig,
    FeedbackSource,
    FeedSource,
    FileSource,
    HttpSource,
    HubSource,
    PackageSource,
    RecordedSource,
    Source,
    SqlSource,
    Workspace,
)
from pipeline.base.digests import json_digest
from pipeline.base.records import TextRecord, Unreadable
from pipeline.io import files
from pipeline.io.queries.snapshot import Snapshot, take_snapshot
from pipeline.io.sources.audit import read_audit
from pipeline.io.sources.labelled_texts import read_volunteered
from pipeline.io.sources.readers import checked_rows, read_rows, source_files
from pipeline.io.sources.replay import read_replay
from pipeline.io.sources.rows import RowTally, rows_to_records
from pipeline.io.table_files.shape import Rows
from pipeline.io.web.keeping import AS_IT_IS, Keeping
from pipeline.io.web.window import WebRows

# Rows that are read once a run, so that `identity` and `collect` see the same ones.
WindowSource = SqlSource | HttpSource | FeedSource


@dataclasses.dataclass(frozen=True)
class Recorded:
    """Hold what Tonewatch itself recorded, and what to say of what is left out."""

    records: list[TextRecord]
    remark: str = ""


class SourceReader:
    """Read the sources that `collect.sources` lists.

    `read_recorded` reads what Tonewatch recorded itself, `read_window` what is read once a run. The code of
    `read_recorded` is no part of the code that `collect` runs: the identity of such a source is the digest of
    its records.
    """

    def __init__(
        self,
        workspace: Workspace,
        cfg: CollectConfig,
        read_recorded: Callable[[RecordedSource], Recorded],
        read_window: Callable[[WindowSource], Snapshot | WebRows],
    ) -> None:
        self._workspace = workspace
        self._cfg = cfg
        self._read_recorded = read_recorded
        self._read_window = read_window

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
            recorded = self._read_recorded(source)
            if tally is not None:
                tally.remark = recorded.remark
            return recorded.records
        if isinstance(source, WindowSource):
            rows = self._window_rows(source, tally)
        elif isinstance(source, HubSource):
            rows = checked_rows(_hub_rows(source, self._max_bytes), source, f"source {source.name}")
        else:
            root, downloads = self._workspace.root, self._workspace.downloads
            rows = read_rows(source, root=root, downloads=downloads, max_bytes=self._max_bytes)
        return rows_to_records(rows, source, self._cfg.labels, tally)

    @property
    def _max_bytes(self) -> int:
        return self._cfg.max_megabytes * 1_000_000

    def _window_rows(self, source: WindowSource, tally: RowTally | None) -> Rows:
        window = self._read_window(source)
        if tally is not None:
            tally.watermark, tally.remark = window.watermark, window.remark
        # What the web serves is checked as it is read.
        return (
            checked_rows(window.rows(), source, window.where)
            if isinstance(source, SqlSource)
            else window.rows()
        )

    def identity(self, source: Source) -> str:
        """Return a SHA-256 that changes when the records of a source may have changed.

        It is that of a table's bytes (pinned for a package), that of what is pinned of a data set of a hub,
        that of the rows that a query or the web returned, and that of the records of feedback, audit and
        replay.
        Raises SourceUnreachable for a missing file.
        """
        if isinstance(source, PackageSource):
            return source.sha256
        if isinstance(source, FileSource):
            digests = [files.sha256(path) for path in source_files(source, self._workspace.root)]
            return digests[0] if len(digests) == 1 else json_digest(digests)
        if isinstance(source, HubSource):
            return json_digest([source.dataset, source.config, source.splits, source.revision])
        if isinstance(source, WindowSource):
            return self._read_window(source).identity
        return json_digest([dataclasses.astuple(record) for record in self._read_recorded(source).records])


def open_sources(workspace: Workspace, cfg: CollectConfig, keeping: Keeping = AS_IT_IS) -> SourceReader:
    """Return a reader that reads feedback, audit labels, replay, each query and each address once.

    So `collect` writes the records that `identity` digested, whatever arrives in between. What is read from
    the web goes through `keeping` before it is stored.
    """

    @functools.cache
    def read_recorded(source: RecordedSource) -> Recorded:
        if isinstance(source, AuditSource):
            audited = read_audit(workspace.journal, source, cfg)
            return Recorded(audited.records, audited.remark)
        if isinstance(source, FeedbackSource):
            return Recorded(read_volunteered(workspace, cfg))
        return Recorded(read_replay(workspace.root, source, cfg))

    @functools.cache
    def read_window(name: str) -> Snapshot | WebRows:
        source = next(one for one in cfg.sources if one.name == name)
        earlier = _last_watermark(workspace, name)
        max_bytes = cfg.max_megabytes * 1_000_000
        if isinstance(source, SqlSource):
            return take_snapshot(source, root=workspace.root, max_bytes=max_bytes, earlier=earlier)
        folder = workspace.web / name
        if isinstance(source, HttpSource):
            from pipeline.io.web.http_rows import read_http

            return read_http(source, folder, max_bytes=max_bytes, keeping=keeping, earlier=earlier)
        assert isinstance(source, FeedSource)
        from pipeline.io.feeds.feed_rows import read_feed_rows

        return read_feed_rows(
            source, folder, root=workspace.root, max_bytes=max_bytes, keeping=keeping, earlier=earlier
        )

    return SourceReader(workspace, cfg, read_recorded, lambda source: read_window(source.name))


def _hub_rows(source: HubSource, max_bytes: int) -> Rows:
    from pipeline.io.web.hub_rows import hub_rows

    return hub_rows(source, max_bytes=max_bytes)


def have_targets(sources: Iterable[Source]) -> bool:
    """Return whether the texts of sources have targets: those of all tables do, or of none."""
    tables = (source for source in sources if not isinstance(source, RecordedSource))
    return any(source.columns.target is not None for source in tables)


def has_references(source: Source) -> bool:
    """Return whether a source brings a text that answers each of its texts."""
    return not isinstance(source, RecordedSource) and source.columns.reference is not None


def watermark_note(source: str) -> str:
    """Return the name of the note of `collect` that says up to where a source was read."""
    return f"watermark/{source}"


def _last_watermark(workspace: Workspace, source: str) -> str:
    try:
        notes = files.read_receipt(workspace.root / "data" / "raw").notes
    except (OSError, ValueError, TypeError):  # nothing was collected yet, or it was left half
        return ""
    return notes.get(watermark_note(source), "")
