"""Journal entries and feedback as the service writes them."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
