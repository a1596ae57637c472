"""The format of a table by the suffix of its file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.base.errors import UsageError

Kind = Literal["csv", "tsv", "jsonl", "parquet"]
KINDS: dict[str, Kind] = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}
DELIMITERS: dict[Kind, str] = {"csv": ",", "tsv": "\t"}
GZIP = ".gz"


@dataclass(frozen=True)
class TableFormat:
    """Hold how a table is written down; only text is `gzipped`, Parquet compresses itself."""

    kind: Kind
    gzipped: bool = False


def table_format(path: Path) -> TableFormat | None:
    """Return the format that a file's suffixes name, None where they name no table."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    gzipped = suffixes[-1:] == [GZIP]
    kind = KINDS.get((suffixes[:-1] if gzipped else suffixes or [""])[-1]) if suffixes != [GZIP] else None
    if kind is None or (gzipped and kind == "parquet"):
        return None
    return TableFormat(kind, gzipped)


def require_format(path: Path) -> TableFormat:
    """Return the format of a table to write; raises UsageError for a suffix that names none."""
    found = table_format(path)
    if found is None:
        raise UsageError(
            f"{path.name} does not name a format. End it in .csv, .tsv, .jsonl or .parquet; "
            "the first three also with .gz."
        )
    return found
