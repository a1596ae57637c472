"""The source of kind `http`: objects of JSON pages, each page read anew only where it changed."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.base import logs
from pipeline.base.config import HttpSource
from pipeline.base.digests import json_digest, text_digest
from pipeline.base.errors import DataRejected
from pipeline.base.records import Unreadable
from pipeline.io.table_files.columns import COLUMNS_LISTED, no_column
from pipeline.io.table_files.encodings import readable
from pipeline.io.table_files.json_rows import flatten
from pipeline.io.table_files.shape import Row, TableRequest
from pipeline.io.web.failures import named_failures, place_of
from pipeline.io.web.guarded_http import NotFound
from pipeline.io.web.json_pages import JsonPage, page_address, read_page, value_at
from pipeline.io.web.keeping import Keeping
from pipeline.io.web.pages import Validators
from pipeline.io.web.session import WebSession
from pipeline.io.web.stored_rows import PageState, RowPreparer, StoredRow, StoredRows, stream_rows
from pipeline.io.web.window import WebRows, Window

LIMIT = "collect.max_megabytes"
# So many rows may change while their pages are read; more are a sign of a column that is no id.
FEW = 20


def read_http(
    source: HttpSource,
    folder: Path,
    *,
    max_bytes: int,
    keeping: Keeping,
    earlier: str = "",
    now: datetime | None = None,
) -> WebRows:
    """Read the pages of a source, and return their rows up to the watermark; `earlier` is the one before.

    A page that did not change (304) is what was read before, from the rows kept in `folder`. Raises
    SourceUnreachable where a page cannot be fetched, DataRejected for more bytes or pages than are allowed,
    for pages in a circle, and for what is not as params.yaml says.
    """
    kept = StoredRows(folder)
    with kept.held():
        reading = _Reading(source, kept, max_bytes, keeping)
        with named_failures(source, limit=LIMIT):
            kept.write(reading.rows(), reading.state)
        column = source.watermark or ""
        window = Window(
            source, kept.open(), reading.keeper, now or datetime.now(UTC), column, reading.newest_of_its_id
        )
        rows, mark, count = window.read(place_of(source), reading.remarks, earlier)
    if not count:
        raise DataRejected(
            f"{rows.where} returns no rows. {rows.remark or 'Correct `url` or `rows` in params.yaml.'}"
        )
    if mark.sentence:
        logs.get("collect").warning("web.future", source=source.name, rows=mark.future)
    logs.get("collect").info(
        "web.read",
        source=source.name,
        rows=count,
        pages=reading.number,
        unchanged=reading.unchanged,
        **({"new": mark.newer, "watermark": mark.text} if column else {}),
    )
    return rows


class _Reading:
    """One reading of all pages, in their order."""

    def __init__(self, source: HttpSource, kept: StoredRows, max_bytes: int, keeping: Keeping) -> None:
        self._source, self._max_bytes = source, max_bytes
        self.keeper = RowPreparer(source, keeping)
        self._request = TableRequest(Path(), place_of(source), max_bytes, mapped=source.columns.mapped)
        settings = json_digest([source.url, source.rows, source.watermark, sorted(source.columns.mapped)])
        before = kept.state()
        same = (before.settings, before.form) == (settings, keeping.form)
        self._before = before.pages if same else {}
        self._old = _OldRows(kept) if same else None
        self.state = PageState(settings, keeping.form)
        self.number = self.unchanged = self._shifted = self._changed = 0
        self._next_unfollowed = False
        # Where each id stood last, with a digest of its text: pages that shift while they are read show a
        # row twice.
        self._last: dict[str, tuple[int, int]] = {}
        self._missing, self._present = dict(source.columns.mapped), dict[str, None]()

    def rows(self) -> Iterator[StoredRow]:
        """Yield the rows as they are stored, page by page."""
        with (
            WebSession(self._source, max_bytes=self._max_bytes) as session,
            logs.progress(f"read {self._source.name}", None) as show,
        ):
            read, url, asked = 0, page_address(self._source, 0), set[str]()
            while url:
                self._check_place(url, asked)
                asked.add(url)
                try:
                    rows, url = self._page(session, url)
                except NotFound:
                    # The page behind the last one.
                    if self.number and self._source.next_parameter is not None:
                        break
                    raise
                for row in rows:
                    read += 1
                    self._count_shift(row)
                    yield row
                self.number += 1
                show(read)
        if self._missing and read and not self.unchanged and self._present:
            column, field = next(iter(self._missing.items()))
            raise no_column(column, field, list(self._present), self._request.where)

    def newest_of_its_id(self, kept: StoredRow, row: Row) -> Row | None:
        """Return a row, None where its id stood on a later page once more."""
        return row if self._last.get(kept.id, (kept.page,))[0] == kept.page else None

    def remarks(self) -> list[str]:
        """Return what to say of the pages."""
        sentences = []
        if self._shifted:
            sentences.append(
                f"{self._shifted:,} rows stood on two pages, which changed while they were read: the later "
                f"one counts ({self._changed:,} with another text)."
            )
        if self._next_unfollowed:
            sentences.append("The server names a next page, which is not read: write `next_link: true`.")
        return sentences

    def _count_shift(self, row: StoredRow) -> None:
        if not row.id or self._source.columns.id is None:
            return
        digest = hash(row.text)
        page, text = self._last.get(row.id, (row.page, digest))
        self._shifted += page != row.page
        self._changed += page != row.page and text != digest
        self._last[row.id] = (row.page, digest)
        if self._changed > max(FEW, len(self._last) // 100):
            raise DataRejected(
                f"{self._request.where}: {self._changed:,} ids name different texts on different pages, as "
                f"{row.id!r}. Set `columns.id` of this source to a column without repeats, or to null."
            )

    def _check_place(self, url: str, asked: set[str]) -> None:
        if url in asked:
            raise DataRejected(
                f"{self._request.where}, page {self.number}: its next page was read already, so the pages "
                "have no end. Correct `next_key`, `next_link` or `next_parameter` in params.yaml."
            )
        if self.number == self._source.max_pages:
            raise DataRejected(
                f"{self._request.where} has more than {self.number:,} pages. Raise `max_pages` in "
                "params.yaml, or select less in `url`."
            )

    def _page(self, session: WebSession, url: str) -> tuple[Iterator[StoredRow], str]:
        """Return the rows of a page and the address of the next one."""
        name = text_digest(url)
        before = self._before.get(name) if self._old is not None else None
        validators = Validators(before["etag"], before["modified"]) if before else Validators()
        page = session.get(url, validators, accept="application/json, */*;q=0.1")
        if page.content is None and before and self._old is not None:
            self.unchanged += 1
            self.state.pages[name] = before | {"page": self.number}
            return self._old.page(before["page"], self.number), before["next"]
        content = page.content or b""
        parsed = read_page(page, content, self._source, self.number)
        digest = text_digest(content.decode("utf-8", "replace"))
        self._check_repeated(digest, parsed)
        self._next_unfollowed |= bool(page.next_link) and not parsed.next_url and not self._source.next_link
        named = page.validators
        self.state.pages[name] = {
            "etag": named.etag,
            "modified": named.modified,
            "next": parsed.next_url,
            "page": self.number,
            "digest": digest,
        }
        return self._fresh(parsed, self.number), parsed.next_url

    def _check_repeated(self, digest: str, page: JsonPage) -> None:
        if self._source.next_parameter is None or not page.elements:
            return
        if any(one["digest"] == digest for one in self.state.pages.values()):
            raise DataRejected(
                f"{self._request.where}: page {self.number + 1} is an earlier page again, so the server does "
                f"not count pages by `next_parameter: {self._source.next_parameter}`. Correct it in "
                "params.yaml, or use `next_key` or `next_link`."
            )

    def _fresh(self, page: JsonPage, number: int) -> Iterator[StoredRow]:
        for place, element in enumerate(page.elements, start=1):
            row = self._row(element, f"page {number + 1}, element {place}", place, number)
            if row is not None:
                yield row

    def _row(self, element: Any, place: str, row: int, number: int) -> StoredRow | None:
        if not isinstance(element, dict):
            content = readable(str(element)[:200])
            where = f"{self._request.where}, page {number + 1}"
            return self.keeper.keep_unreadable(
                Unreadable(where, 0, row, "", "not an object", content), number
            )
        cells = flatten(element, self._request, place)
        if self._missing:
            self._missing = {name: field for name, field in self._missing.items() if name not in cells}
            self._present |= dict.fromkeys(list(cells)[:COLUMNS_LISTED])
        mark = value_at(element, self._source.watermark) if self._source.watermark else None
        return self.keeper.keep(cells, mark if isinstance(mark, str | int | float) else None, number)


class _OldRows:
    """The rows of an earlier reading by their page; pages that are asked for in order are read once."""

    def __init__(self, kept: StoredRows) -> None:
        self._file = kept.open()
        self._rows: Iterator[StoredRow] = iter(())
        self._next: StoredRow | None = None
        self._reached = -1

    def page(self, old: int, new: int) -> Iterator[StoredRow]:
        """Yield the rows that stood on page `old`, as those of page `new`."""
        if old <= self._reached or self._reached < 0:
            self._rows = stream_rows(self._file)
            self._next = next(self._rows, None)
        self._reached = old
        while self._next is not None and self._next.page <= old:
            row, self._next = self._next, next(self._rows, None)
            if row.page == old:
                yield _on_page(row, new)


def _on_page(row: StoredRow, page: int) -> StoredRow:
    return row if row.page == page else dataclasses.replace(row, page=page)
