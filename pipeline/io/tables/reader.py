"""Read tables of the user as record batches of bounded size; every row and every column is kept."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.base.errors import DataRejected, UsageError
from pipeline.io.tables.formats import DELIMITERS, TableFormat, table_format
from pipeline.io.tables.json_columns import (
    dump_json_columns,
    is_json_column,
    json_field,
    kind_of,
    load_json_column,
)
from pipeline.io.tables.text_rows import MAX_COLUMNS, decode_lines, read_cells, read_lines, read_objects

if TYPE_CHECKING:
    from pyarrow import RecordBatch, Schema

TEXT = "text"
BATCH_ROWS = 2048
BATCH_BYTES = 8_000_000


@dataclass(frozen=True)
class Table:
    """Hold a table that was checked from end to end.

    `text_columns` are those that hold words, `rows` is None for a stream; `batches` reads it from the start.
    """

    where: str
    schema: "Schema"
    rows: int | None
    text_columns: tuple[str, ...]
    batches: Callable[[], Iterator["RecordBatch"]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all columns."""
        return tuple(self.schema.names)


def open_table(path: Path, standard_input: BinaryIO) -> Table:
    """Read a table once, to check every row of it and to learn its columns.

    Any suffix but those of tables, and `-` for standard input, means one text a line, in a column `text`. A
    stream is checked while it is read. Raises UsageError for a file that cannot be opened, DataRejected with
    the line of a row that cannot be read.
    """
    if str(path) == "-":
        return _lines_table("standard input", lambda: decode_lines(standard_input, "standard input"), None)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}). Name a table, or a file with one text per line."
        ) from error
    found = table_format(path)
    if found is None:
        return _open_lines(path)
    if not path.is_file():
        raise UsageError(f"{path} is a stream, which cannot be read twice. Save it as a file first.")
    if found.kind == "parquet":
        return _open_parquet(path)
    return _open_objects(path, found) if found.kind == "jsonl" else _open_cells(path, found)


def column_texts(batch: "RecordBatch", column: str) -> list[str | None]:
    """Return the texts of a column; what is no text is None."""
    field = batch.schema.field(column)
    values = batch.column(column).to_pylist()
    if is_json_column(field):
        values = load_json_column(values)
    return [value if isinstance(value, str) else None for value in values]


def _open_lines(path: Path) -> Table:
    stream = not path.is_file()
    rows = None if stream else sum(1 for _ in read_lines(path, gzipped=False))
    return _lines_table(str(path), lambda: read_lines(path, gzipped=False), rows)


def _lines_table(where: str, lines: Callable[[], Iterator[str]], rows: int | None) -> Table:
    import pyarrow

    schema = pyarrow.schema([(TEXT, pyarrow.string())])

    def batches() -> Iterator["RecordBatch"]:
        for group in _groups((line.rstrip("\n").rstrip("\r") for line in lines()), len):
            yield pyarrow.RecordBatch.from_arrays([pyarrow.array(group, pyarrow.string())], schema=schema)

    return Table(where, schema, rows, (TEXT,), batches)


def _open_cells(path: Path, found: TableFormat) -> Table:
    import pyarrow

    def cells() -> Iterator[list[str]]:
        return read_cells(path, delimiter=DELIMITERS[found.kind], gzipped=found.gzipped)

    rows = cells()
    header = next(rows)
    count, wordless = 0, set(range(len(header)))
    for row in rows:
        count += 1
        wordless = {place for place in wordless if not _has_words(row[place])}
    # As they are written: a type guessed from the values could change them (007, 1.10, 2026-01-02).
    schema = pyarrow.schema([(name, pyarrow.string()) for name in header])

    def batches() -> Iterator["RecordBatch"]:
        for group in _groups(_skip_header(cells()), lambda row: sum(map(len, row))):
            arrays = [pyarrow.array(values, pyarrow.string()) for values in zip(*group, strict=True)]
            yield pyarrow.RecordBatch.from_arrays(arrays, schema=schema)

    texts = tuple(name for place, name in enumerate(header) if place not in wordless)
    return Table(str(path), schema, count, texts, batches)


def _open_objects(path: Path, found: TableFormat) -> Table:
    import pyarrow

    kinds: dict[str, set[str]] = {}
    count = 0
    for row in read_objects(path, gzipped=found.gzipped):
        count += 1
        for name, value in row.items():
            kinds.setdefault(name, set()).add(kind_of(value))
        if len(kinds) > MAX_COLUMNS:
            raise DataRejected(f"{path} has more than {MAX_COLUMNS:,} keys. Leave some out.")
    if not count:
        raise DataRejected(f"{path} is empty. Write one object a line.")
    schema = pyarrow.schema([json_field(name, names) for name, names in kinds.items()])
    as_json = {field.name for field in schema if is_json_column(field)}

    def batches() -> Iterator["RecordBatch"]:
        for group in _groups(read_objects(path, gzipped=found.gzipped), lambda row: len(str(row))):
            try:
                rows = [dump_json_columns(row, as_json) for row in group]
                yield pyarrow.RecordBatch.from_pylist(rows, schema=schema)
            except pyarrow.ArrowException as error:
                raise DataRejected(f"{path} changed while it was read. Type the same again.") from error

    texts = tuple(name for name, names in kinds.items() if names <= {"str", "null"} and "str" in names)
    return Table(str(path), schema, count, texts, batches)


def _open_parquet(path: Path) -> Table:
    import pyarrow
    from pyarrow import types
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
            row_bytes = sum(group.total_byte_size for group in groups) // max(1, rows)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataRejected(f"{path} cannot be read as Parquet ({error}). Save it again.") from error
    if repeated := [name for name in schema.names if schema.names.count(name) > 1]:
        raise DataRejected(f"{path} has several columns {repeated[0]!r}. Give each column its own name.")
    size = max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, row_bytes)))

    def batches() -> Iterator["RecordBatch"]:
        try:
            # Not read ahead: a file may be one row group that is larger than the memory.
            with ParquetFile(path, pre_buffer=False, buffer_size=BATCH_BYTES) as file:
                for batch in file.iter_batches(batch_size=size):
                    # Arrow trusts a file that its texts are UTF-8.
                    batch.validate(full=True)
                    yield batch
        except (pyarrow.ArrowException, OSError) as error:
            raise DataRejected(f"{path} cannot be read as Parquet ({error}). Save it again.") from error

    def is_text(kind: Any) -> bool:
        value = kind.value_type if types.is_dictionary(kind) else kind
        return bool(types.is_string(value) or types.is_large_string(value) or types.is_string_view(value))

    texts = tuple(field.name for field in schema if is_text(field.type))
    return Table(str(path), schema, rows, texts, batches)


def _skip_header(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    next(rows)
    return rows


def _groups(rows: Iterable[Any], size_of: Callable[[Any], int]) -> Iterator[list[Any]]:
    group: list[Any] = []
    size = 0
    for row in rows:
        group.append(row)
        size += size_of(row)
        if len(group) == BATCH_ROWS or size >= BATCH_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _has_words(cell: str) -> bool:
    return any(map(str.isalpha, cell))


def listed(columns: Sequence[str], *, most: int = 30) -> str:
    """Return the names of columns for an error message."""
    shown = ", ".join(repr(name[:40]) for name in columns[:most])
    return f"{shown} and {len(columns) - most} more" if len(columns) > most else shown
