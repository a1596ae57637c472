"""The rows that a query returned, for as long as a run needs them: `identity` and `collect` read the same."""

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypedDict

from pipeline.base import logs
from pipeline.base.config import SqlSource
from pipeline.base.digests import json_digest
from pipeline.base.errors import DataRejected
from pipeline.base.records import Unreadable
from pipeline.io import files
from pipeline.io.queries.read_only import ReadOnlyDatabase
from pipeline.io.queries.watermark import Watermark
from pipeline.io.table_files.encodings import broken_bytes, readable
from pipeline.io.table_files.json_rows import flatten
from pipeline.io.table_files.shape import Row, Rows, TableRequest

ALL = 1 << 256


class Entry(TypedDict, total=False):
    """One line of the file: a row, or the fields of an `Unreadable`."""

    row: Row
    unreadable: dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """Hold the rows of one query in a file without a name: no text stays on the disk before it is masked.

    `identity` does not depend on the order of the rows. `watermark` is the highest value that was read, and
    `remark` what to say of rows that were not.
    """

    where: str
    identity: str
    watermark: str
    remark: str
    file: IO[bytes]

    def rows(self) -> Rows:
        """Yield the rows, and what of them cannot be read."""
        self.file.seek(0)
        for line in self.file:
            value = json.loads(line)
            yield Unreadable(**value["unreadable"]) if "unreadable" in value else value["row"]


def take_snapshot(
    source: SqlSource, *, root: Path, max_bytes: int, earlier: str = "", now: datetime | None = None
) -> Snapshot:
    """Read the rows of a query, up to its watermark, in one transaction; `earlier` is the one before.

    Raises SourceUnreachable and DataRejected as `ReadOnlyDatabase` does, DataRejected for more than
    `max_bytes`, for no rows, and where the query has no column of the watermark.
    """
    database = ReadOnlyDatabase(source, root)
    mark = Watermark(source.watermark or "", source.time_zone, now or datetime.now(UTC), earlier)
    request = TableRequest(Path(), database.where, max_bytes, mapped=source.columns.mapped)
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    rows = _window(database, mark, request)
    with files.report_disk_full(Path(tempfile.gettempdir())):
        total, count = _write(rows, file, request)
    if not count:
        raise DataRejected(
            f"{database.where}: `query` returns no rows. {mark.sentence or 'Correct it in params.yaml.'}"
        )
    if mark.sentence:
        logs.get("collect").warning("query.future", source=source.name, rows=mark.future)
    logs.get("collect").info(
        "query.read",
        source=source.name,
        rows=count,
        **({"new": mark.newer, "watermark": mark.text} if source.watermark else {}),
    )
    return Snapshot(database.where, json_digest([total, count]), mark.text, mark.sentence, file)


def _write(rows: Rows, file: IO[bytes], request: TableRequest) -> tuple[int, int]:
    """Write rows as lines of JSON; return the sum of their digests and their number."""
    written, total, count = 0, 0, 0
    for row in rows:
        entry: Entry = {"unreadable": asdict(row)} if isinstance(row, Unreadable) else {"row": row}
        written += file.write(json.dumps(entry).encode() + b"\n")
        if written > request.max_bytes:
            raise DataRejected(
                f"{request.where} returns more than {request.max_bytes:,} bytes. Raise "
                "`collect.max_megabytes` in params.yaml, or select fewer rows or columns in `query`."
            )
        # A sum does not depend on the order, which a database may choose anew each time.
        total = (total + int.from_bytes(hashlib.sha256(_content(entry)).digest())) % ALL
        count += 1
    return total, count


def _content(entry: Entry) -> bytes:
    """Return what a row holds, without its place among the others."""
    if "unreadable" in entry:
        entry = {"unreadable": {**entry["unreadable"], "row": 0}}
    return json.dumps(entry, sort_keys=True).encode()


def _window(database: ReadOnlyDatabase, mark: Watermark, request: TableRequest) -> Rows:
    for number, values in enumerate(database.rows(), start=1):
        if mark.column:
            if mark.column not in values:
                raise DataRejected(
                    f"{request.where}: `query` returns no column {mark.column!r} (found: "
                    f"{', '.join(map(repr, values))}). Name it in `watermark` of this source in params.yaml."
                )
            try:
                if not mark.pass_row(values[mark.column]):
                    continue
            except ValueError as error:
                content = readable(str(values[mark.column]))
                yield Unreadable(request.where, 0, number, mark.column, str(error), content)
                continue
        yield _row(values, request, number)


def _row(values: dict[str, Any], request: TableRequest, number: int) -> Row | Unreadable:
    texts = {name: _as_text(value) for name, value in values.items()}
    for name, text in texts.items():
        if isinstance(text, str) and (reason := broken_bytes([text])):
            return Unreadable(
                request.where, 0, number, name, f"the cell is not UTF-8 ({reason})", readable(text)
            )
    return flatten(texts, request, f"row {number}")


def _as_text(value: Any) -> Any:
    """Return bytes, however a driver holds them, as text; anything else as it is."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "surrogateescape")
    return value
