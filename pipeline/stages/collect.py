"""Collect: read every source into one table of records, prepared as the model will read them."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import RecordedSource, Source
from pipeline.base.digests import text_digest
from pipeline.base.records import Receipt, TextRecord, Unreadable, counts_by
from pipeline.core.clean.times import read_times
from pipeline.core.privacy.masking import mask_pii
from pipeline.core.privacy.preparation import PREPARATION, Preparation, preparation
from pipeline.core.privacy.tombstone_form import tombstone_form
from pipeline.io import files, parquet
from pipeline.io.forgetting.tombstones import Tombstones, open_tombstones
from pipeline.io.sources.rows import RowTally
from pipeline.io.sources.source_reader import SourceReader, watermark_note

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext

TEXTS = "texts.parquet"
UNREADABLE = "unreadable.parquet"
# So many spellings of labels are counted one by one.
SPELLINGS = 50


@dataclass
class Collected:
    """Hold what was read: records, rows that were not, counts of changes, and what to say of a source."""

    prepare: Preparation
    records: list[TextRecord] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    spellings: Counter[str] = field(default_factory=Counter)
    notes: dict[str, str] = field(default_factory=dict)
    forgotten: int = 0

    def add(self, source: Source, rows: Sequence[TextRecord | Unreadable], tally: RowTally) -> None:
        """Prepare the rows of one source: nothing of them is stored before."""
        records = [row for row in rows if isinstance(row, TextRecord)]
        # What Tonewatch recorded itself is in UTC.
        zone, day_first = "UTC", None
        if not isinstance(source, RecordedSource):
            zone, day_first = source.time_zone, source.day_first
        times, time_tally = read_times([record.time for record in records], zone=zone, day_first=day_first)
        self.records += [self._prepared(record, time) for record, time in zip(records, times, strict=True)]
        self.unreadable += [
            dataclasses.replace(row, content=self.prepare(row.content))
            for row in rows
            if isinstance(row, Unreadable)
        ]
        for (written, label), number in tally.labels.items():
            if written != label:
                self.spellings[f"{mask_pii(written)[0]!r} -> {label}"] += number
        remarks = [remark for remark in (tally.remark, *time_tally.sentences()) if remark]
        if tally.decimal_commas:
            remarks.append(f"{tally.decimal_commas:,} numbers have a decimal comma (`decimal`)")
        if remarks:
            self.notes[f"remark/{source.name}"] = "; ".join(remarks)
        if tally.watermark:
            self.notes[watermark_note(source.name)] = tally.watermark
        if tally.aspect_column:
            self.notes[f"aspects/{source.name}"] = tally.aspect_column

    def _prepared(self, record: TextRecord, time: str) -> TextRecord:
        text, rules, kinds = self.prepare.apply(record.text)
        self.counts.update(f"rule/{name}" for name in rules)
        self.counts.update(f"masked/{kind}" for kind in kinds)
        changed = self._named(record, time, text)
        for name in (*(f"rule/{name}" for name in rules), *(f"masked/{kind}" for kind in kinds)):
            self.notes.setdefault(f"example/{name}", changed.id)
        return changed

    def _named(self, record: TextRecord, time: str, text: str) -> TextRecord:
        if not self.prepare.mask or not ("@" in record.id or "@" in record.group or "@" in record.topic):
            return dataclasses.replace(record, text=text, time=time)
        return dataclasses.replace(
            record,
            text=text,
            time=time,
            id=_pseudonym(record.id, f"{record.source}:"),
            group=_pseudonym(record.group, f"{record.source}:"),
            topic=_pseudonym(record.topic, ""),
        )

    def leave_out(self, tombstones: Tombstones) -> None:
        """Leave out what was forgotten, whatever source brings it back."""
        if not tombstones:
            return
        before = len(self.records) + len(self.unreadable)
        forgotten = {one.id for one in self.records if tombstones.covers(one.id, one.text)}
        self.records = [one for one in self.records if one.id not in forgotten]
        self.notes = {name: note for name, note in self.notes.items() if note not in forgotten}
        self.unreadable = [one for one in self.unreadable if not tombstones.covers_text(one.content)]
        self.forgotten = before - len(self.records) - len(self.unreadable)


def _pseudonym(name: str, prefix: str) -> str:
    """Return a digest in place of a name that is an address or a handle."""
    rest = name.removeprefix(prefix)
    return f"{prefix}{text_digest(rest)[:16]}" if mask_pii(rest)[1] else name


def collect(reader: SourceReader, out: Path, *, mask: bool, tombstones: Tombstones | None = None) -> Receipt:
    """Read every source, in the order in which they are listed, into one table of records.

    Texts are cleaned, and masked with `mask`, before anything of them is stored. Rows that could not be read
    stand beside them; what `tombstones` cover is left out. The receipt counts all three, changes by rule and
    labels that are written in another way; it notes the identity of each source as `source/<name>`, the first
    id that a rule changed as `example/<rule>`, and the name of the preparation.
    """
    collected = Collected(preparation(mask=mask))
    notes = {PREPARATION: collected.prepare.name}
    for source in reader.sources:
        tally = RowTally()
        collected.add(source, list(reader.records(source, tally)), tally)
        notes[f"source/{source.name}"] = reader.identity(source)
    if tombstones:
        collected.leave_out(tombstones)
    records, unreadable = collected.records, collected.unreadable
    spellings = {f"read as/{name}": number for name, number in collected.spellings.most_common(SPELLINGS)}
    known = set(reader.labels)
    counts = {
        "read": len(records) + len(unreadable) + collected.forgotten,
        "out": len(records),
        "unreadable": len(unreadable),
        **({"forgotten": collected.forgotten} if collected.forgotten else {}),
        **counts_by("source", (record.source for record in records)),
        **counts_by("label", (record.label for record in records if record.label in known)),
        **dict(sorted(collected.counts.items())),
        **dict(sorted(spellings.items())),
    }
    with files.staging_dir(out) as staging:
        parquet.write_texts(staging / TEXTS, records)
        write_unreadable(staging / UNREADABLE, unreadable)
        logs.get("collect").info(
            "texts.collected", texts=len(records), unreadable=len(unreadable), sources=len(reader.sources)
        )
        return files.write_receipt(staging, Receipt("collect", counts=counts, notes=notes | collected.notes))


def write_unreadable(path: Path, rows: Sequence[Unreadable]) -> None:
    """Write the rows that could not be read."""
    names = [one.name for one in dataclasses.fields(Unreadable)]
    parquet.write_rows(path, {name: [getattr(row, name) for row in rows] for name in names})


def read_unreadable(path: Path) -> list[Unreadable]:
    """Read the rows that could not be read."""
    columns = parquet.read_rows(path)
    return [
        Unreadable(**dict(zip(columns, values, strict=True)))
        for values in zip(*columns.values(), strict=True)
    ]


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    return collect(
        context.source_reader,
        context.folder("collect"),
        mask=context.params.clean.mask,
        tombstones=open_tombstones(context.workspace, tombstone_form),
    )
