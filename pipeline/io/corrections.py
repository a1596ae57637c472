"""Labels that a person corrected, by the id of the record; kept beside the data and applied by `clean`."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from pipeline.base.digests import json_digest
from pipeline.base.errors import DataRejected
from pipeline.base.spreadsheet import inert
from pipeline.io import files

CORRECTIONS = "corrections.csv"
HEADER = ("id", "label")


def corrections_path(root: Path) -> Path:
    """Return the path of the corrections of a workspace."""
    return root / "data" / CORRECTIONS


def read_corrections(path: Path) -> dict[str, str]:
    """Read corrected labels by id; none where there is no such file.

    Raises DataRejected, with the line, for a file that is none of corrections.
    """
    if not path.is_file():
        return {}
    rows = csv.reader(io.StringIO(path.read_text("utf-8-sig")))
    if tuple(next(rows, ())) != HEADER:
        raise DataRejected(f"{path}:1: the header is not `id,label`. Make it with `tonewatch data relabel`.")
    corrections = {}
    for row in rows:
        if len(row) != len(HEADER):
            raise DataRejected(f"{path}:{rows.line_num}: {len(row)} columns, expected 2: id and label.")
        corrections[plain_cell(row[0])] = row[1]
    return corrections


def write_corrections(path: Path, corrections: Mapping[str, str]) -> None:
    """Write corrected labels, sorted by id; no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([HEADER, *((inert(name), label) for name, label in sorted(corrections.items()))])
    files.write_bytes(path, out.getvalue().encode())


def plain_cell(cell: str) -> str:
    """Return a cell without the quote that keeps a spreadsheet from evaluating it."""
    bare = cell.removeprefix("'")
    return bare if inert(bare) == cell else cell


def corrections_identity(root: Path) -> str:
    """Return a digest that changes with the corrections; empty where there are none."""
    corrections = read_corrections(corrections_path(root))
    return json_digest(corrections) if corrections else ""
