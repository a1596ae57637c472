"""Texts with their own time: found by when they were written, late ones up to a bound; old journals."""

import dataclasses
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_fixtures import EIGHT, ENTRY, make_entries, read_all, stamp

from pipeline.base.records import JournalEntry
from pipeline.io.journal.journal import Journal, request_id

NINE = ("2026-11-25T09:00:00.000000Z", "2026-11-25T10:00:00.000000Z")


def entry(came: datetime, written: datetime | None, **changes: object) -> JournalEntry:
    times = {"time": stamp(came), "written": stamp(written) if written else ""}
    return dataclasses.replace(ENTRY, request=request_id(came), **times, **changes)  # type: ignore[arg-type]


def write(folder: Path, entries: Sequence[JournalEntry]) -> None:
    journal = Journal(folder, retention_days=9)
    journal.append(entries)
    journal.close()


def found(folder: Path, late_hours: float | None, window: tuple[str, str] = NINE) -> tuple[int, int]:
    """Return how many texts of a window are counted, and how many have a key."""
    reader = Journal.reading(folder, late_hours=late_hours)
    counted = sum(count.predictions for count in reader.counts(*window))
    return counted, len(list(reader.keys(*window, release="R1")))


def at(hour: float) -> datetime:
    return EIGHT + timedelta(hours=hour)


@pytest.mark.parametrize(("late_hours", "expected"), [(0, 2), (1, 3), (2, 4), (5, 4), (24, 5), (None, 6)])
def test_late_texts_are_taken_up_within_the_lateness(
    tmp_path: Path, late_hours: float | None, expected: int
) -> None:
    write(
        tmp_path,
        [
            entry(at(1.2), None),
            entry(at(1.5), at(1.4)),
            entry(at(1.6), at(0.9)),  # came at nine and was written at eight
            entry(at(2.5), at(1.5)),
            entry(at(3.9), at(1.5)),
            entry(at(9.0), at(1.5)),
            entry(at(99), at(1.999)),
            entry(at(99), at(2.0)),
        ],
    )

    assert found(tmp_path, late_hours) == (expected, expected)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(0, 30)), max_size=12))
def test_every_text_is_in_one_window_however_late(
    tmp_path_factory: pytest.TempPathFactory, moments: list[tuple[int, int | None]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    entries = [
        entry(at(came / 4), None if ago is None else at((came - min(ago, came)) / 4)) for came, ago in moments
    ]
    write(folder, entries)

    windows = [
        (f"{at(hour):%Y-%m-%dT%H}:00:00.000000Z", f"{at(hour + 1):%Y-%m-%dT%H}:00:00.000000Z")
        for hour in range(9)
    ]

    assert [found(folder, None, window)[0] for window in windows] == [
        sum(start <= one.event_time < end for one in entries) for start, end in windows
    ]


def test_a_text_of_several_topics_is_counted_with_all_of_them(tmp_path: Path) -> None:
    write(tmp_path, [entry(at(1.2), None, topic="tv", more_topics=("acme", "news"))])
    reader = Journal.reading(tmp_path)

    (count,) = reader.counts(*NINE)
    ((_, topics, readable),) = reader.keys(*NINE, release="R1")

    assert count.topics == topics == ("tv", "acme", "news")
    assert (count.predictions, readable) == (1, True)


OLD_SCHEMA = """
CREATE TABLE predictions (
    id INTEGER PRIMARY KEY, request TEXT NOT NULL, position INTEGER NOT NULL, time TEXT NOT NULL,
    release TEXT NOT NULL, topic TEXT NOT NULL, label TEXT NOT NULL, confidence REAL,
    uncertain INTEGER NOT NULL, probabilities TEXT NOT NULL, digest TEXT NOT NULL,
    data_version TEXT NOT NULL, client TEXT NOT NULL, lang TEXT NOT NULL, words INTEGER NOT NULL,
    unknown REAL NOT NULL, text TEXT NOT NULL, UNIQUE (request, position)
);
CREATE TABLE probe (id INTEGER PRIMARY KEY, time TEXT NOT NULL)
"""


@pytest.fixture
def old(tmp_path: Path) -> list[JournalEntry]:
    """Leave an hour as the version before event times wrote it."""
    entries = make_entries(3)
    path = tmp_path / "predictions" / "2026-11-25T08.db"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as connection:
        connection.executescript(OLD_SCHEMA)
        for one in entries:
            connection.execute(
                "INSERT INTO predictions (request, position, time, release, topic, label, confidence,"
                " uncertain, probabilities, digest, data_version, client, lang, words, unknown, text)"
                " VALUES (?, 0, ?, 'R1', 'general', 'positive', 0.7, 0, '[0.1, 0.2, 0.7]', ?, 'v1', 'shop',"
                " 'en', 2, 0.0, 'so good')",
                (one.request, one.time, one.digest),
            )
    connection.close()
    return entries


def test_an_hour_without_the_new_columns_is_read_and_stays_as_it_is(
    tmp_path: Path, old: list[JournalEntry]
) -> None:
    path = tmp_path / "predictions" / "2026-11-25T08.db"
    before = path.read_bytes()
    reader = Journal.reading(tmp_path, late_hours=None)

    assert read_all(tmp_path) == old
    assert sum(count.predictions for count in reader.counts("", "9999")) == 3
    assert reader.find(old[1].request, 0) == old[1]
    assert reader.event_times.any("", "9999") is False
    assert path.read_bytes() == before


def test_a_writer_adds_the_new_columns_to_the_hour_of_the_upgrade(
    tmp_path: Path, old: list[JournalEntry]
) -> None:
    new = entry(at(0.5), at(0.2), text_id="post-1", more_topics=("acme",), cluster="c1")

    write(tmp_path, [new])
    write(tmp_path, [new])

    assert read_all(tmp_path) == [*old, new]
    assert found(tmp_path, 0, ("2026-11-25T08:00:00.000000Z", "2026-11-25T09:00:00.000000Z")) == (4, 4)
