"""Answers and labels as the service keeps them."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.base.records import Feedback, JournalEntry
from pipeline.io.journal.journal import Journal, request_id

EIGHT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
ANSWER = JournalEntry(
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
    """Write a time as the journal does."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def answers(number: int, when: datetime = EIGHT) -> list[JournalEntry]:
    """Make answers a second apart."""
    return [
        dataclasses.replace(ANSWER, request=request_id(when), time=stamp(when + timedelta(seconds=n)))
        for n in range(number)
    ]


def told(answer: JournalEntry, label: str, when: datetime = EIGHT) -> Feedback:
    """Tell the label of an answer."""
    return Feedback(answer.request, answer.position, stamp(when), label, "shop", answer.text, answer.topic)


def everything(folder: Path) -> list[JournalEntry]:
    """Read the whole journal."""
    return list(Journal.reading(folder).answers("", "9999"))
