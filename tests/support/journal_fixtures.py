"""Journal entries and feedback as the service writes them."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow
import pyarrow.parquet

from pipeline.base.records import Feedback, JournalEntry
from pipeline.base.times import format_micros
from pipeline.io.journal.journal import Journal, request_id

EIGHT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
ENTRY = JournalEntry(
    request="",
    position=0,
    time="",
    text="so good",
    digest="d" * 64,
    label="positive",
    uncertain=False,
    probabilities=(0.1, 0.2, 0.7),
    release="R1",
    data_version="v1",
    client="shop",
    topic="general",
    lang="en",
    words=2,
    unknown=0.0,
)


def stamp(when: datetime) -> str:
    """Format a time as the journal does."""
    return format_micros(when)


def make_entries(count: int, when: datetime = EIGHT) -> list[JournalEntry]:
    """Return entries a second apart."""
    return [
        dataclasses.replace(ENTRY, request=request_id(when), time=stamp(when + timedelta(seconds=n)))
        for n in range(count)
    ]


def make_feedback(entry: JournalEntry, label: str, when: datetime = EIGHT) -> Feedback:
    """Return feedback on an entry."""
    return Feedback(entry.request, entry.position, stamp(when), label, "shop", entry.topic)


def label_text(journal: Journal, text: str, label: str, when: datetime = EIGHT) -> JournalEntry:
    """Write a prediction of a text and its label."""
    entry = dataclasses.replace(ENTRY, request=request_id(when), time=stamp(when), text=text)
    journal.append([entry])
    journal.append_feedback([make_feedback(entry, label, when)])
    return entry


def read_all(folder: Path) -> list[JournalEntry]:
    """Read the whole journal."""
    return list(Journal.reading(folder).predictions("", "9999"))


def entry_lines(entries: list[JournalEntry]) -> bytes:
    """Write entries as earlier versions did."""
    return b"".join(json.dumps(dataclasses.asdict(entry)).encode() + b"\n" for entry in entries)


def leave_segment(folder: Path, entries: list[JournalEntry], name: str = "1-a.jsonl") -> Path:
    """Leave predictions as an earlier version did: a killed writer, or a sealed table."""
    path = folder / "answers" / entries[0].time[: len("2026-11-25T08")] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_bytes(entry_lines(entries))
    else:
        rows = [dataclasses.asdict(entry) for entry in entries]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path
