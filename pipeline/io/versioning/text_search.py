"""The tables of a workspace that hold a text: collected, cleaned, quarantined, split, or cached by DVC."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.digests import KEY_DIGITS, text_digest
from pipeline.io import parquet
from pipeline.io.cache_links import cache_folder

PARQUET = b"PAR1"


@dataclass(frozen=True)
class TextSearch:
    """Name the tables of `data/` with one of the texts, those of the cache, and those that cannot be read."""

    tables: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def find_texts(root: Path, digests: Collection[str]) -> TextSearch:
    """Search every table below `data/` and in DVC's cache for texts with one of these SHA-256.

    Data versions are not named here: their tables are objects of the cache, or of a DVC remote.
    """
    unreadable: list[str] = []

    def holding(paths: Iterator[Path]) -> tuple[str, ...]:
        names = []
        for path in paths:
            try:
                if _is_table(path) and table_holds_text(path, digests):
                    names.append(_name(path, root))
            except (OSError, ValueError):  # of pyarrow's errors too
                unreadable.append(_name(path, root))
        return tuple(sorted(names))

    if not digests:
        return TextSearch()
    tables, cached = (root / "data").rglob("*"), cache_folder(root / ".dvc").rglob("*")
    return TextSearch(holding(tables), holding(cached), tuple(unreadable))


def table_holds_text(table: Path, digests: Collection[str]) -> bool:
    """Return whether a Parquet file holds a text with one of these SHA-256, before or after cleaning."""
    # Labelled texts are named by the digest they had when they were collected.
    keys = {digest[:KEY_DIGITS] for digest in digests}
    columns = [name for name in ("id", "text") if name in parquet.column_names(table)]
    return any(
        str(value).rpartition(":")[2] in keys or text_digest(str(value)) in digests
        for row in parquet.stream_rows(table, *columns)
        for value in row
    )


def _is_table(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(PARQUET)) == PARQUET


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
