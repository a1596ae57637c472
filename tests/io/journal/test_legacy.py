"""The journal of earlier versions: read as it lies there, and imported once by a writer."""

import dataclasses
import fcntl
import json
import os
from pathlib import Path

import pytest
from journal_fixtures import EIGHT, leave_segment, make_entries, make_feedback, read_all, stamp

from pipeline.base.errors import Fault
from pipeline.base.records import JournalEntry
from pipeline.io.journal.journal import Journal

HOUR = "2026-11-25T08"


def leave_feedback(folder: Path, entries: list[JournalEntry], label: str, month: str = "2026-11") -> Path:
    path = folder / "feedback" / month / f"1-{label}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**dataclasses.asdict(make_feedback(entry, label)), "text": entry.text} for entry in entries]
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_reader_sees_segments_and_databases_as_one(tmp_path: Path) -> None:
    first, second, third, new = make_entries(4)
    journal = Journal(tmp_path, retention_days=9)
    journal.append([new])
    journal.close()
    leave_segment(tmp_path, [first])
    leave_segment(tmp_path, [second, third], "2-b.parquet")
    leave_feedback(tmp_path, [first], "neutral")
    before = names(tmp_path)

    reader = Journal.reading(tmp_path)

    assert read_all(tmp_path) == [first, second, third, new]
    assert (reader.find(second.request, 0), reader.count("", "9999")) == (second, 4)
    assert reader.first_time() == first.time
    assert [entry.request for entry in reader.labels()] == [first.request]
    assert names(tmp_path) == before


def test_a_writer_imports_everything_once(tmp_path: Path) -> None:
    first, second, third = make_entries(3)
    leave_segment(tmp_path, [first])
    leave_segment(tmp_path, [second, third], "2-b.parquet")
    leave_feedback(tmp_path, [first], "neutral")

    journal = Journal(tmp_path, retention_days=9)
    journal.seal()

    assert names(journal.reading(tmp_path)._folder)[:1] == ["feedback.db"]
    journal.close()
    assert names(tmp_path) == ["feedback.db", f"predictions/{HOUR}.db"]
    assert read_all(tmp_path) == [first, second, third]
    assert [entry.label for entry in journal.labels()] == ["neutral"]
    # Feedback of earlier versions held the text for ever.
    assert b"so good" not in (tmp_path / "feedback.db").read_bytes()


def test_a_killed_import_is_finished_without_a_second_entry(tmp_path: Path) -> None:
    entries = make_entries(3)
    path = leave_segment(tmp_path, entries)
    content = path.read_bytes()
    Journal(tmp_path, retention_days=9).seal()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)  # as if the process had died right before it removed this

    assert read_all(tmp_path) == entries
    Journal(tmp_path, retention_days=9).seal()
    assert (read_all(tmp_path), path.exists()) == (entries, False)


def test_of_a_segment_and_its_table_the_table_counts(tmp_path: Path) -> None:
    entries = make_entries(3)
    leave_segment(tmp_path, entries, "1-a.parquet")
    leave_segment(tmp_path, entries[:1])

    assert read_all(tmp_path) == entries
    Journal(tmp_path, retention_days=9).seal()
    assert read_all(tmp_path) == entries
    assert not (tmp_path / "answers").exists()


def test_the_last_of_several_labels_stands(tmp_path: Path) -> None:
    (one,) = make_entries(1)
    path = leave_feedback(tmp_path, [one], "negative")
    later = dataclasses.replace(make_feedback(one, "positive"), time=stamp(EIGHT.replace(hour=9)))
    with path.open("ab") as file:
        file.write(json.dumps({**dataclasses.asdict(later), "text": "so good"}).encode() + b"\n")
    leave_feedback(tmp_path, [one], "neutral", "2026-10")

    assert [entry.label for entry in Journal.reading(tmp_path).labels()] == ["positive"]
    journal = Journal(tmp_path, retention_days=9)
    assert [entry.label for entry in journal.labels()] == ["positive"]


def test_the_segment_of_a_living_writer_is_read_and_not_imported(tmp_path: Path) -> None:
    entries = make_entries(2)
    path = leave_segment(tmp_path, entries)
    handle = os.open(path, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)  # a service of the earlier version goes on
    journal = Journal(tmp_path, retention_days=9)
    journal.seal()

    assert (path.exists(), read_all(tmp_path)) == (True, entries)
    os.close(handle)
    assert journal.find(entries[0].request, 0) == entries[0]  # imported when it is asked for
    assert not path.exists()


def test_lines_that_are_no_entries_are_left_aside(tmp_path: Path) -> None:
    good = make_entries(2)
    path = leave_segment(tmp_path, good)
    newer = {**dataclasses.asdict(good[0]), "request": "newer", "mood": "blue"}
    older = {name: value for name, value in newer.items() if name != "lang"}
    wrong = [older, {**newer, "words": "two"}, {**newer, "text": "\ud800"}, ["x"]]
    with path.open("ab") as file:
        file.write(b"".join(json.dumps(one).encode() + b"\n" for one in (newer, *wrong)))
        file.write(b"[" * 99_999 + b"\n" + b'{"request": "half of a li')

    expected = {entry.request for entry in good} | {"newer"}
    assert {entry.request for entry in read_all(tmp_path)} == expected
    Journal(tmp_path, retention_days=9).seal()

    assert {entry.request for entry in read_all(tmp_path)} == expected
    assert path.with_suffix(".unread").exists()


def test_a_request_in_a_segment_that_stays_is_not_said_to_be_forgotten(tmp_path: Path) -> None:
    one, other = make_entries(2)
    path = leave_segment(tmp_path, [one, other])
    with path.open("ab") as file:
        file.write(b"no entry\n")
    journal = Journal(tmp_path, retention_days=9)

    with pytest.raises(Fault, match=r"1-a.unread of an earlier version"):
        journal.forget([one.request])
    assert read_all(tmp_path) == [one, other]
    path.with_suffix(".unread").unlink()
    journal.forget([one.request])
    assert read_all(tmp_path) == [other]


def test_a_damaged_table_is_named_and_does_not_stop_a_writer(tmp_path: Path) -> None:
    path = leave_segment(tmp_path, make_entries(1), "1-a.parquet")
    path.write_bytes(b"PAR1 no more")

    with pytest.raises(Fault, match=path.name):
        read_all(tmp_path)
    journal = Journal(tmp_path, retention_days=9)
    journal.seal()
    journal.append(make_entries(1))
    assert path.exists()


def test_old_hours_of_earlier_versions_are_removed(tmp_path: Path) -> None:
    path = leave_segment(tmp_path, make_entries(1, EIGHT.replace(day=1)))
    path.with_suffix(".unread").write_bytes(b"no entry\n")
    journal = Journal(tmp_path, retention_days=9)
    for day in range(2, 26):
        journal.append(make_entries(1, EIGHT.replace(day=day)))
    journal.seal()

    assert journal.retain(EIGHT).removed[0] == "2026-11-01T08"
    assert not (tmp_path / "answers" / "2026-11-01T08").exists()
