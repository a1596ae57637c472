"""Take over labels that a person corrected, as in `data/validation/likely_wrong.csv`."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.base.tasks import answer_form
from pipeline.io import parquet
from pipeline.io.corrections import corrections_path, plain_cell, read_corrections, write_corrections
from pipeline.io.locks import workspace_lock
from pipeline.io.params_file import load_params

# What a person fills in, the first of these that the table has.
LABEL_COLUMNS = ("corrected", "label")
SHOWN = 5


@dataclass(frozen=True)
class RelabelReport:
    """Count the corrections that were taken over, all that are kept, and name those that were not taken."""

    taken: int
    kept: int
    blank: int
    unknown_ids: tuple[str, ...]
    unknown_labels: Mapping[str, int]

    def sentences(self) -> list[str]:
        """Say it for a person."""
        lines = [f"Corrected labels: {self.taken:,} taken over, {self.kept:,} kept in data/corrections.csv."]
        if self.blank:
            lines.append(f"Rows without a corrected label: {self.blank:,}, passed over.")
        if self.unknown_ids:
            more = f", {len(self.unknown_ids) - SHOWN:,} more" if len(self.unknown_ids) > SHOWN else ""
            listed = ", ".join(self.unknown_ids[:SHOWN])
            lines.append(f"Unknown ids: {len(self.unknown_ids):,}, not taken over: {listed}{more}.")
        if self.unknown_labels:
            listed = ", ".join(f"{label!r} {number:,}" for label, number in self.unknown_labels.items())
            lines.append(f"Unknown labels, not taken over: {listed}. Labels are those of collect.labels.")
        if self.taken:
            lines.append("`tonewatch run` applies them.")
        return lines


def relabel(workspace: Workspace, file: Path) -> RelabelReport:
    """Keep the corrected labels of a table for `clean`; of two for one id the later one counts.

    Raises UsageError, and keeps nothing, for a file without the columns `id` and `label` or `corrected`, or
    where nothing was ever collected.
    """
    params = load_params(workspace.params)
    form, labels = answer_form(params.task), params.collect.labels
    collected = workspace.root / "data" / "raw" / "texts.parquet"
    if not collected.is_file():
        raise UsageError("Nothing is collected yet, so no id is known. Type `tonewatch run`, then the same.")
    with workspace_lock(workspace.home):
        known_ids = {str(name) for (name,) in parquet.stream_rows(collected, "id")}
        path = corrections_path(workspace.root)
        corrections, taken, blank = read_corrections(path), 0, 0
        unknown_ids: list[str] = []
        unknown_labels: Counter[str] = Counter()
        for name, written in _rows(file):
            if not written.strip():
                blank += 1
            elif name not in known_ids:
                unknown_ids.append(name)
            elif (answer := form.read(written, labels)) is None:
                unknown_labels[written] += 1
            else:
                corrections[name] = answer
                taken += 1
        if taken:
            write_corrections(path, corrections)
    logs.get("clean").info("labels.corrected", taken=taken, kept=len(corrections))
    return RelabelReport(
        taken, len(corrections), blank, tuple(unknown_ids), dict(unknown_labels.most_common())
    )


def _rows(file: Path) -> Iterator[tuple[str, str]]:
    """Yield id and corrected label of each row."""
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read as a CSV file in UTF-8: {error}") from error
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    header = [cell.strip() for cell in next(rows, ())]
    column = next((name for name in LABEL_COLUMNS if name in header), None)
    if "id" not in header or column is None:
        raise UsageError(
            f"{file}:1: the columns are {', '.join(header) or 'none'}. Name two of them `id` and `label`, as "
            "data/validation/likely_wrong.csv has `id` and `corrected`."
        )
    yield from _cells(rows, header.index("id"), header.index(column), file)


def _cells(rows: Iterator[Sequence[str]], name: int, label: int, file: Path) -> Iterator[tuple[str, str]]:
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        if len(row) <= max(name, label):
            raise UsageError(f"{file}: row {number} has {len(row)} columns, fewer than the header.")
        yield plain_cell(row[name]), plain_cell(row[label])
