"""The rows of a source that the workspace stores: what a 304 means, and what left a feed.

One folder a source, whole or as before: a table of rows that were masked before they were written, and what
the next request is made conditional with. `tonewatch data forget` writes the table without what it erases.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from pipeline.base.config import FeedSource, HttpSource
from pipeline.base.digests import text_digest
from pipeline.base.errors import SourceUnreachable
from pipeline.base.records import Unreadable
from pipeline.base.tasks.targets import with_target
from pipeline.io import files
from pipeline.io.file_access import make_private
from pipeline.io.web.keeping import Keeping

ROWS, STATE = "rows.parquet", "state.json"
BATCH_ROWS = 5000
LOCK_SECONDS = 900.0
KEY_DIGITS = 16
COLUMNS = ("id", "text", "group", "content", "cells", "mark", "page")


@dataclass(frozen=True)
class StoredRow:
    """One row as it is stored: under the names that forgetting knows, its other cells as JSON.

    `mark` is the value of the watermark as JSON, `page` the page it stood on. `content` is what was read of
    a row that could not be, and `cells` then holds the fields of an `Unreadable`.
    """

    id: str
    text: str
    group: str
    content: str
    cells: str
    mark: str
    page: int

    @property
    def unreadable(self) -> Unreadable | None:
        """Return the row as one that could not be read, None where it could."""
        return Unreadable(**json.loads(self.cells), content=self.content) if not self.id else None


@dataclass
class PageState:
    """The state of the pages: by the digest of their address their validators and the next address."""

    settings: str = ""
    form: str = ""
    watermark: str = ""
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)


class StoredRows:
    """Store the rows of one source; only the process that holds the lock writes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the rows against another run; raises SourceUnreachable where one holds them too long."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        make_private(self._folder.parent)
        lock = self._folder.with_name(f".{self._folder.name}.lock")
        try:
            with FileLock(lock, timeout=LOCK_SECONDS):
                files.sweep_staging(self._folder)
                yield
        except Timeout as error:
            raise SourceUnreachable(
                f"Another process has been reading this source for {LOCK_SECONDS:,.0f} s: it holds {lock}. "
                "Wait until it ends, or end it, then type the same again."
            ) from error

    def state(self) -> PageState:
        """Return what is known of the pages; nothing where it is damaged: they are then read anew."""
        try:
            return PageState(**files.read_json(self._folder / STATE))
        except (OSError, ValueError, TypeError):
            return PageState()

    def open(self) -> IO[bytes] | None:
        """Open the table of rows, which stays as it is when it is replaced; None where there is none."""
        path = self._folder / ROWS
        return path.open("rb") if path.is_file() else None

    def write(self, rows: Iterator[StoredRow], state: PageState) -> None:
        """Replace all rows, and with them what is known of the pages; `state` is read after the last row."""
        with files.staging_dir(self._folder) as staging:
            _write_table(staging / ROWS, rows)
            files.write_json(staging / STATE, asdict(state))


def stream_rows(file: IO[bytes] | None) -> Iterator[StoredRow]:
    """Yield the rows of an open table in their order; one batch of them is in memory."""
    import pyarrow.parquet

    if file is None:
        return
    file.seek(0)
    table = pyarrow.parquet.ParquetFile(file)
    for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=list(COLUMNS)):
        for values in zip(*(batch[name].to_pylist() for name in COLUMNS), strict=True):
            yield StoredRow(*values)


def _write_table(path: Path, rows: Iterator[StoredRow]) -> None:
    import pyarrow
    import pyarrow.parquet

    kinds = [(name, pyarrow.int64() if name == "page" else pyarrow.string()) for name in COLUMNS]
    schema = pyarrow.schema(kinds)
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append(asdict(row))
            if len(batch) == BATCH_ROWS:
                writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
                batch = []
        writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))


class RowPreparer:
    """Bring the rows of one source into the form in which they are stored."""

    def __init__(self, source: HttpSource | FeedSource, keeping: Keeping) -> None:
        self._source, self._columns, self._keeping = source, source.columns, keeping
        self._mapped = set(source.columns.mapped)

    def keep(self, cells: dict[str, str], mark: object, page: int) -> StoredRow | None:
        """Return a row as it is stored, None where it was forgotten; only mapped columns are kept."""
        columns, keeping = self._columns, self._keeping
        kept = {name: value for name, value in cells.items() if name in self._mapped}
        for name in (columns.id, columns.group, columns.topic):
            if name and name in kept:
                kept[name] = keeping.person(kept[name].strip())
        if columns.target and columns.target in kept:
            kept[columns.target] = keeping.text(kept[columns.target])
        text = keeping.text(kept.pop(columns.text, ""))
        whole = with_target(text, kept.get(columns.target, "")) if columns.target else text
        key = (kept.get(columns.id, "") if columns.id else "") or text_digest(whole)[:KEY_DIGITS]
        group = kept.get(columns.group, "") if columns.group else ""
        name = self._source.name
        if keeping.forgotten(f"{name}:{key}", whole):
            return None
        return StoredRow(
            id=f"{name}:{key}",
            text=text,
            group=f"{name}:{group or key}",
            content="",
            cells=json.dumps(kept, ensure_ascii=False),
            mark=json.dumps(mark),
            page=page,
        )

    def keep_unreadable(self, row: Unreadable, page: int) -> StoredRow | None:
        """Return what could not be read as it is stored, None where it was forgotten."""
        content = self._keeping.text(row.content)
        if self._keeping.forgotten("", content):
            return None
        place = {name: value for name, value in asdict(row).items() if name != "content"}
        return StoredRow("", "", "", content, json.dumps(place), "null", page)

    def again(self, row: StoredRow) -> StoredRow | None:
        """Return a row that an earlier form of keeping stored in this one, None where it was forgotten."""
        unreadable = row.unreadable
        if unreadable is not None:
            return self.keep_unreadable(unreadable, row.page)
        return self.keep(self.cells(row), json.loads(row.mark), row.page)

    def cells(self, row: StoredRow) -> dict[str, str]:
        """Return the columns of a row."""
        return {**json.loads(row.cells), self._columns.text: row.text}
