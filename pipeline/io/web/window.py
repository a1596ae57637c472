"""The rows of a source as one run reads them: up to its watermark, each id once, always the same ones."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from pipeline.base.config import FeedSource, HttpSource
from pipeline.base.digests import json_digest
from pipeline.base.records import Unreadable
from pipeline.io.queries.watermark import Watermark
from pipeline.io.table_files.shape import Row, Rows
from pipeline.io.web.stored_rows import RowPreparer, StoredRow, stream_rows

ALL = 1 << 256
# Decides what becomes of a row: None leaves it for a later run.
Choose = Callable[[StoredRow, Row], Row | None]


@dataclass(frozen=True)
class WebRows:
    """The rows that a run reads, from the table that is kept.

    `identity` does not depend on their order. `watermark` is the highest value that was read, and `remark`
    what to say of rows that were not.
    """

    where: str
    identity: str
    watermark: str
    remark: str
    rows: Callable[[], Rows]


@dataclass
class Window:
    """Read the kept rows of a source up to `now`; `choose` may change a row or leave it out."""

    source: HttpSource | FeedSource
    file: IO[bytes] | None
    keeper: RowPreparer
    now: datetime
    column: str = ""
    choose: Choose = lambda _kept, row: row

    def rows(self, mark: Watermark | None = None) -> Rows:
        """Yield the rows, and what of them cannot be read; `mark` counts as it reads."""
        mark = mark or self.mark()
        for number, kept in enumerate(stream_rows(self.file), start=1):
            if (unreadable := kept.unreadable) is not None:
                yield unreadable
                continue
            try:
                row = self._row(kept, mark)
            except ValueError as error:
                where = f"source {self.source.name}"
                yield Unreadable(where, 0, number, mark.column, str(error), kept.text[:200])
                continue
            if row is not None:
                yield row

    def mark(self, earlier: str = "") -> Watermark:
        """Return a watermark that has read nothing."""
        return Watermark(self.column, self.source.time_zone, self.now, earlier)

    def read(
        self, where: str, remarks: Callable[[], list[str]], earlier: str = ""
    ) -> tuple[WebRows, Watermark, int]:
        """Return the rows as a run reads them, their watermark, and their number."""
        mark = self.mark(earlier)
        total, count = digest_rows(self.rows(mark))
        remark = " ".join(sentence for sentence in (mark.sentence, *remarks()) if sentence)
        return WebRows(where, json_digest([total, count]), mark.text, remark, self.rows), mark, count

    def _row(self, kept: StoredRow, mark: Watermark) -> Row | None:
        if self.column:
            value = json.loads(kept.mark)
            # A feed's entry without a time is read at once; a row of a page without one is a fault.
            timeless = isinstance(self.source, FeedSource) and value in (None, "")
            if not timeless and not mark.pass_row(value):
                return None
        return self.choose(kept, self.keeper.cells(kept))


def digest_rows(rows: Iterator[Row | Unreadable]) -> tuple[int, int]:
    """Return a sum of digests that does not depend on the order of the rows, and their number."""
    total, count = 0, 0
    for row in rows:
        content = [row.column, row.reason, row.content] if isinstance(row, Unreadable) else row
        written = json.dumps(content, sort_keys=True).encode()
        total = (total + int.from_bytes(hashlib.sha256(written).digest())) % ALL
        count += 1
    return total, count
