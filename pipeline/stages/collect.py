"""Collect: read every source into one table of records, prepared as the model will read them."""

import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import RecordedSource, Source
from pipeline.base.digests import text_digest
from pipeline.base.records import Receipt, TextRecord, Unreadable
from pipeline.base.tasks.spans import moved_spans
from pipeline.core.clean.times import TimeColumn, TimeTally
from pipeline.core.privacy.masking import mask_pii
from pipeline.core.privacy.preparation import (
    PREPARATION,
    Preparation,
    PreparedBatch,
    preparation,
    prepare_batch,
)
from pipeline.core.privacy.tombstone_form import tombstone_form
from pipeline.io import files, parquet
from pipeline.io.forgetting.tombstones import Tombstones, open_tombstones
from pipeline.io.sources.rows import RowTally
from pipeline.io.sources.source_reader import SourceReader, has_references, have_targets, watermark_note
from pipeline.io.streams.tables import TableWriter, replace_values
from pipeline.io.streams.unreadable import PLACES, UNREADABLE
from pipeline.io.streams.worker_pool import Batching, map_in_order

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext

TEXTS = "texts.parquet"
# So many spellings of labels are counted one by one.
SPELLINGS = 50
# Beyond these characters an answer is no label, and is not counted.
LONGEST_LABEL = 200
# How the entities of a text begin.
SPANS = '[{"start": '
Row = TextRecord | Unreadable


@dataclass
class Collected:
    """Write what is read, and keep of it counts of changes and what to say of a source."""

    prepare: Preparation
    tombstones: Tombstones | None
    texts: TableWriter
    unreadable: TableWriter
    counts: Counter[str] = field(default_factory=Counter)
    by_source: Counter[str] = field(default_factory=Counter)
    by_label: Counter[str] = field(default_factory=Counter)
    spellings: Counter[str] = field(default_factory=Counter)
    notes: dict[str, str] = field(default_factory=dict)
    forgotten: int = 0
    forgotten_examples: set[str] = field(default_factory=set)

    def add(
        self, source: Source, rows: Iterable[Row], tally: RowTally, others: TableWriter, batching: Batching
    ) -> bool:
        """Prepare the rows of one source in batches, and write them: nothing of them is stored before.

        `others` gets the times that differ where the month comes first; returns whether it does.
        """
        # What Tonewatch recorded itself is in UTC.
        zone, day_first = "UTC", None
        if not isinstance(source, RecordedSource):
            zone, day_first = source.time_zone, source.day_first
        times = TimeColumn(zone=zone, day_first=day_first)
        function = functools.partial(prepare_batch, self.prepare.name)
        batches = self._batches(rows, batching.rows, references=has_references(source))
        for records, prepared in map_in_order(function, batches, batching):
            self._add_batch(records, prepared, times, others)
        time_tally = times.close()
        self._note(source, tally, time_tally)
        return not time_tally.day_first

    def _batches(
        self, rows: Iterable[Row], size: int, *, references: bool
    ) -> Iterator[tuple[list[TextRecord], list[str]]]:
        """Yield the records that were read, in batches, with their texts; write what could not be read.

        Their references, which are texts too, stand behind the texts.
        """
        read = iter(rows)
        while batch := list(itertools.islice(read, size)):
            records = [row for row in batch if isinstance(row, TextRecord)]
            self._add_unreadable([row for row in batch if isinstance(row, Unreadable)])
            if records:
                answers = [record.label for record in records] if references else []
                yield records, [*(record.text for record in records), *answers]

    def _add_batch(
        self, records: list[TextRecord], prepared: PreparedBatch, times: TimeColumn, others: TableWriter
    ) -> None:
        columns = {name: [getattr(record, name) for record in records] for name in parquet.COLUMNS}
        for number, text in prepared.texts.items():
            row, place = divmod(number, len(records))
            if row:
                columns["label"][place] = text
                continue
            columns["text"][place] = text
            if columns["label"][place].startswith(SPANS):
                columns["label"][place] = moved_spans(columns["label"][place], records[place].text, text)
        if self.prepare.mask:
            _mask_names(columns)
        for place in sorted({*prepared.rules, *prepared.kinds}):
            names = [f"rule/{name}" for name in prepared.rules.get(place, ())]
            names += [f"masked/{kind}" for kind in prepared.kinds.get(place, ())]
            self.counts.update(names)
            for name in names:
                self.notes.setdefault(f"example/{name}", columns["id"][place % len(records)])
        read = [times.read(time) for time in columns["time"]]
        columns["time"] = [time for time, _ in read]
        kept = self._remembered(columns)
        if times.may_turn:
            turned = [
                (self.texts.rows + row, read[place][1]) for row, place in enumerate(kept) if read[place][1]
            ]
            others.add_columns({"row": [row for row, _ in turned], "time": [time for _, time in turned]})
        if len(kept) < len(records):
            columns = {name: [values[place] for place in kept] for name, values in columns.items()}
        self.by_source.update(columns["source"])
        self.by_label.update(label for label in columns["label"] if len(label) <= LONGEST_LABEL)
        self.texts.add_columns(columns)

    def _remembered(self, columns: dict[str, list[str]]) -> Sequence[int]:
        """Return the places of the records that were not forgotten, whatever source brings those back."""
        ids, texts = columns["id"], columns["text"]
        if not self.tombstones:
            return range(len(ids))
        covered = {place for place, one in enumerate(ids) if self.tombstones.covers(one, texts[place])}
        self.forgotten += len(covered)
        self.forgotten_examples |= {ids[place] for place in covered}.intersection(self.notes.values())
        return [place for place in range(len(ids)) if place not in covered]

    def _add_unreadable(self, rows: list[Unreadable]) -> None:
        prepared = [dataclasses.replace(row, content=self.prepare(row.content)) for row in rows]
        if self.tombstones:
            kept = [one for one in prepared if not self.tombstones.covers_text(one.content)]
            self.forgotten += len(prepared) - len(kept)
            prepared = kept
        self.unreadable.add_columns({name: [getattr(row, name) for row in prepared] for name in PLACES})

    def _note(self, source: Source, tally: RowTally, time_tally: TimeTally) -> None:
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

    def receipt(self, labels: Collection[str], notes: Mapping[str, str]) -> Receipt:
        """Return what was collected, with further notes."""
        spellings = {f"read as/{name}": number for name, number in self.spellings.most_common(SPELLINGS)}
        counts = {
            "read": self.texts.rows + self.unreadable.rows + self.forgotten,
            "out": self.texts.rows,
            "unreadable": self.unreadable.rows,
            **({"forgotten": self.forgotten} if self.forgotten else {}),
            **{f"source/{name}": number for name, number in sorted(self.by_source.items())},
            **{f"label/{name}": number for name, number in sorted(self.by_label.items()) if name in labels},
            **dict(sorted(self.counts.items())),
            **dict(sorted(spellings.items())),
        }
        own = {name: note for name, note in self.notes.items() if note not in self.forgotten_examples}
        return Receipt("collect", counts=counts, notes={**notes, **own})


def _mask_names(columns: dict[str, list[str]]) -> None:
    """Put pseudonyms in place of ids, groups and topics that are addresses or handles."""
    for name in ("id", "group", "topic"):
        for place, value in enumerate(columns[name]):
            if "@" in value:
                prefix = "" if name == "topic" else f"{columns['source'][place]}:"
                columns[name][place] = _pseudonym(value, prefix)


def _pseudonym(name: str, prefix: str) -> str:
    """Return a digest in place of a name that is an address or a handle."""
    rest = name.removeprefix(prefix)
    return f"{prefix}{text_digest(rest)[:16]}" if mask_pii(rest)[1] else name


def collect(
    reader: SourceReader,
    out: Path,
    *,
    mask: bool,
    tombstones: Tombstones | None = None,
    batching: Batching | None = None,
) -> Receipt:
    """Read every source, in the order in which they are listed, into one table of records.

    Texts are cleaned, and masked with `mask`, before anything of them is stored. Rows that could not be read
    stand beside them; what `tombstones` cover is left out. The receipt counts all three, changes by rule and
    labels that are written in another way; it notes the identity of each source as `source/<name>`, the first
    id that a rule changed as `example/<rule>`, and the name of the preparation.
    """
    batching = batching or Batching()
    prepare = preparation(mask=mask, targets=have_targets(reader.sources))
    notes, turned = {PREPARATION: prepare.name}, list[Path]()
    with files.staging_dir(out) as staging:
        path = staging / TEXTS
        texts, unreadable = TableWriter(path, parquet.COLUMNS), TableWriter(staging / UNREADABLE, PLACES)
        with texts, unreadable:
            collected = Collected(prepare, tombstones, texts, unreadable)
            for number, source in enumerate(reader.sources):
                tally, others = RowTally(), staging / f"times-{number}.parquet"
                with TableWriter(others, ("row", "time")) as other_times:
                    rows = reader.records(source, tally)
                    month_first = collected.add(source, rows, tally, other_times, batching)
                turned += [others] if month_first and other_times.rows else []
                notes[f"source/{source.name}"] = reader.identity(source)
        if turned:
            pairs = (pair for other in turned for pair in parquet.stream_rows(other, "row", "time"))
            replace_values(path, "time", pairs, batching.rows)
        for others in staging.glob("times-*.parquet"):
            others.unlink()
        logs.get("collect").info(
            "texts.collected", texts=texts.rows, unreadable=unreadable.rows, sources=len(reader.sources)
        )
        return files.write_receipt(staging, collected.receipt(set(reader.labels), notes))


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    return collect(
        context.source_reader,
        context.folder("collect"),
        mask=context.params.clean.mask,
        tombstones=open_tombstones(context.workspace, tombstone_form),
        batching=context.batching,
    )
