"""The source of kind `feed`: entries of an RSS or Atom feed, kept when the feed no longer lists them."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.base import logs
from pipeline.base.config import FeedSource
from pipeline.base.digests import json_digest
from pipeline.base.errors import DataRejected
from pipeline.io.feeds.entries import publication, read_feed
from pipeline.io.feeds.labels import read_feed_labels
from pipeline.io.table_files.shape import Row
from pipeline.io.web.deadline import within
from pipeline.io.web.failures import named_failures, place_of
from pipeline.io.web.keeping import Keeping
from pipeline.io.web.pages import Page, Validators
from pipeline.io.web.session import WebSession
from pipeline.io.web.stored_rows import PageState, RowPreparer, StoredRow, StoredRows, stream_rows
from pipeline.io.web.window import WebRows, Window

ACCEPT = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1"
LIMIT = "max_megabytes"
FEED = "feed"  # the one page of a feed, among those of a state


def read_feed_rows(
    source: FeedSource,
    folder: Path,
    *,
    root: Path,
    max_bytes: int,
    keeping: Keeping,
    earlier: str = "",
    now: datetime | None = None,
) -> WebRows:
    """Read a feed, add what is new to the entries kept in `folder`, and return those that have a label.

    An entry of the future waits until its time has come; of two versions of an entry the newer one counts.
    Raises SourceUnreachable where the feed cannot be fetched, DataRejected where it is no feed.
    """
    labels = read_feed_labels(source, root, keeping, max_bytes=max_bytes)
    kept = StoredRows(folder)
    with kept.held():
        reading = _Reading(source, kept, keeping)
        with named_failures(source, limit=LIMIT):
            reading.update()
        labelling = _Labelling(source, labels)
        window = Window(
            source, kept.open(), reading.keeper, now or datetime.now(UTC), "time", labelling.with_label
        )
        rows, mark, count = window.read(place_of(source), labelling.remarks, earlier)
    if mark.sentence:
        logs.get("collect").warning("web.future", source=source.name, rows=mark.future)
    logs.get("collect").info(
        "feed.read", source=source.name, rows=count, new=reading.new, waiting=labelling.waiting
    )
    if not count:
        hint = rows.remark or "The feed is empty: remove the source until it is not."
        raise DataRejected(f"{rows.where} has no entry to learn from. {hint}")
    return rows


class _Reading:
    """One look at a feed."""

    def __init__(self, source: FeedSource, kept: StoredRows, keeping: Keeping) -> None:
        self._source, self._kept, self._form = source, kept, keeping.form
        self.keeper = RowPreparer(source, keeping)
        self.new = 0

    def update(self) -> None:
        """Fetch the feed and store what is new; nothing is written where nothing changed."""
        before = self._kept.state()
        settings = json_digest([self._source.url, self._source.topic, sorted(self._source.columns.mapped)])
        page = self._fetch(before if before.settings == settings else PageState())
        if page.content is None and before.form == self._form:
            return
        entries = {} if page.content is None else self._entries(page, page.content)
        named = page.validators
        state = PageState(
            settings,
            self._form,
            pages=before.pages
            if page.content is None
            else {FEED: {"etag": named.etag, "modified": named.modified}},
        )
        self._kept.write(self._merged(entries, again=before.form != self._form), state)

    def _fetch(self, before: PageState) -> Page:
        known = before.pages.get(FEED)
        validators = Validators(known["etag"], known["modified"]) if known else Validators()
        size = self._source.max_megabytes * 1_000_000
        with WebSession(self._source, max_bytes=size, page_bytes=size) as session:
            return session.get(self._source.url, validators, accept=ACCEPT)

    def _entries(self, page: Page, content: bytes) -> dict[str, StoredRow]:
        """Return the entries of a feed as they are stored, by id; of one that is listed twice the first."""
        parse = functools.partial(read_feed, page, content, self._source, place_of(self._source))
        feed = within(self._source.max_seconds, parse)
        if feed.fault:
            logs.get("collect").warning(
                "feed.malformed", source=self._source.name, fault=feed.fault, entries=len(feed.entries)
            )
        rows = [self.keeper.keep(columns, publication(columns), 0) for columns in feed.entries]
        entries: dict[str, StoredRow] = {}
        for row in rows:
            if row is not None and row.text:
                entries.setdefault(row.id, row)
        return entries

    def _merged(self, entries: dict[str, StoredRow], *, again: bool) -> Iterator[StoredRow]:
        """Yield what is kept, each in its newest version, then what is new, the oldest first."""
        for row in stream_rows(self._kept.open()):
            newest = entries.pop(row.id, None) or (self.keeper.again(row) if again else row)
            if newest is not None:
                yield newest
        self.new = len(entries)
        yield from reversed(entries.values())


@dataclass
class _Labelling:
    """Give each entry its label; one without a label waits."""

    source: FeedSource
    labels: Mapping[str, str]
    waiting: int = 0

    def with_label(self, kept: StoredRow, row: Row) -> Row | None:
        """Return an entry with its label, None where it waits for one."""
        if self.source.label is not None:
            return row | {"label": self.source.label}
        if self.source.labels_path is None:
            return row
        label = self.labels.get(kept.id)
        if label is None:
            self.waiting += 1
            return None
        return row | {"label": label}

    def remarks(self) -> list[str]:
        """Return what to say of the entries that wait."""
        if not self.waiting:
            return []
        return [
            f"{self.waiting:,} entries wait for a label: add their ids to {self.source.labels_path} (they "
            f"are in .tonewatch/web/{self.source.name}/rows.parquet)."
        ]
