"""Segments of the journal under attack: opened, sealed, read and torn at once, by threads and processes."""

import dataclasses
import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_fixtures import EIGHT, make_entries, make_feedback, read_all

from pipeline.base.errors import Fault
from pipeline.base.records import Feedback, JournalEntry
from pipeline.io.journal import lines, segments
from pipeline.io.journal.journal import Journal
from pipeline.io.journal.segments import lock_if_unheld

HOUR = "2026-11-25T08"
TESTS = Path(__file__).parents[2] / "support"
PREAMBLE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from journal_fixtures import make_entries
from pipeline.base.errors import Fault
from pipeline.io.journal.journal import Journal
journal = Journal(Path(sys.argv[1]), retention_days=9)
"""


def child(program: str, folder: Path) -> "subprocess.Popen[str]":
    """Run a program that has `make_entries` and a `journal` in this folder."""
    command = [sys.executable, "-c", PREAMBLE + program, str(folder), str(TESTS)]
    return subprocess.Popen(command, cwd=TESTS.parents[1], stdout=subprocess.PIPE, text=True)


def test_concurrent_writing_and_sealing_lose_and_repeat_nothing(tmp_path: Path) -> None:
    # A segment is made, then locked: a sealer that comes between must not take it from under its writer.
    program = """
for _ in range(25):
    part = make_entries(1)
    journal.append(part)
    print(part[0].request, flush=True)
    journal.close()
"""
    children = [child(program, tmp_path) for _ in range(2)]
    sealing = Journal(tmp_path, retention_days=9)
    while any(one.poll() is None for one in children):
        sealing.seal()
        seen = Counter(answer.request for answer in read_all(tmp_path))
        assert max(seen.values(), default=1) == 1
    promised = [request for one in children for request in one.communicate()[0].split()]
    sealing.seal()

    assert len(promised) == 50
    assert sorted(answer.request for answer in read_all(tmp_path)) == sorted(promised)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_reader_sees_every_entry_once_during_sealing(tmp_path: Path) -> None:
    written = [answer for _ in range(20) for answer in _left(tmp_path, make_entries(3))]
    reading = Journal.reading(tmp_path)
    thread = threading.Thread(target=Journal(tmp_path, retention_days=9).seal)
    thread.start()
    while thread.is_alive():
        assert len(list(reading.predictions("", "9999"))) == len(written)
        assert reading.find(written[-1].request, 0) == written[-1]
    thread.join()

    assert {answer.request for answer in read_all(tmp_path)} == {answer.request for answer in written}


def test_a_segment_sealed_between_two_listings_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = _left(tmp_path, make_entries(3))
    look, journal = segments.list_files, Journal(tmp_path / "empty", retention_days=9)
    journal._folder = tmp_path

    def look_and_then_it_is_sealed(folder: Path, suffix: str = "") -> list[Path]:
        found = look(folder, suffix)
        monkeypatch.setattr(segments, "list_files", look)
        journal.seal()
        return found

    monkeypatch.setattr(segments, "list_files", look_and_then_it_is_sealed)

    assert read_all(tmp_path) == written
    assert not list(tmp_path.rglob("*.jsonl"))


def test_hours_can_be_read_and_sealed_while_the_retention_removes_them(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=2)
    for days in range(60, 0, -1):
        journal.append(make_entries(1, EIGHT - timedelta(days=days)))
    threads = [
        threading.Thread(target=one)
        for one in (journal.seal, lambda: read_all(tmp_path), lambda: journal.retain(EIGHT))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()

    assert [answer.time[:10] for answer in read_all(tmp_path)][-2:] == ["2026-11-23", "2026-11-24"]


def test_a_write_that_fails_halfway_loses_no_other_entry(tmp_path: Path) -> None:
    program = """
import resource
first = make_entries(1)
journal.append(first)
size = next(Path(sys.argv[1]).glob("answers/*/*.jsonl")).stat().st_size
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))  # as a disk that is full after 100 bytes more
try:
    journal.append(make_entries(1))
except Fault as error:
    print(str(error))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
last = make_entries(1)
journal.append(last)
print(first[0].request, last[0].request)
"""
    fault, requests = child(program, tmp_path).communicate()[0].splitlines()

    assert "cannot write to" in fault
    assert "free" in fault or "Fix that" in fault
    assert sorted(answer.request for answer in read_all(tmp_path)) == sorted(requests.split())


def test_a_removed_folder_loses_only_its_own_entries(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    journal.append(make_entries(1))
    shutil.rmtree(tmp_path / "answers")

    after = make_entries(1)
    journal.append(after)

    assert read_all(tmp_path) == after


def test_a_folder_that_cannot_be_written_to_is_a_fault_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("in the way")

    with pytest.raises(Fault, match="answers"):
        Journal(tmp_path, retention_days=9).append(make_entries(1))


def test_the_segment_of_a_living_writer_is_not_sealed(tmp_path: Path) -> None:
    living = Journal(tmp_path, retention_days=9)
    living.append(make_entries(1))
    (path,) = tmp_path.glob("answers/*/*.jsonl")

    with lock_if_unheld(path) as free:
        assert not free
    assert Journal(tmp_path, retention_days=9).seal() == 0
    living.close()
    with lock_if_unheld(path) as free:
        assert not free  # it is gone


def test_a_past_hour_is_sealed_while_its_writer_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    journal.append(make_entries(2))
    journal.append(make_entries(1, EIGHT.replace(hour=9)))
    for thread in threading.enumerate():
        if thread.name == "journal-seal":
            thread.join()

    assert [path.suffix for path in (tmp_path / "answers" / HOUR).iterdir()] == [".parquet"]
    assert [path.suffix for path in (tmp_path / "answers" / "2026-11-25T09").iterdir()] == [".jsonl"]


def test_sealed_tables_are_private_and_have_fixed_columns(tmp_path: Path) -> None:
    empty = dataclasses.replace(make_entries(1)[0], probabilities=(), unknown=0)
    _left(tmp_path, [empty])
    _left(tmp_path, make_entries(2))
    Journal(tmp_path, retention_days=9).seal()

    paths = sorted(tmp_path.rglob("*.parquet"))
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    assert [pyarrow.parquet.read_schema(path).equals(lines.entry_schema(JournalEntry)) for path in paths] == [
        True,
        True,
    ]
    assert pyarrow.parquet.read_table(tmp_path / "answers").num_rows == 3  # as anybody's tool would read it


def test_lines_of_another_version_are_rejected_and_the_others_sealed(tmp_path: Path) -> None:
    written = _left(tmp_path, make_entries(2))
    (path,) = tmp_path.rglob("*.jsonl")
    newer = {**json.loads(path.read_bytes().splitlines()[0]), "request": "newer", "mood": "blue"}
    older = {name: value for name, value in newer.items() if name != "lang"}
    other = {**newer, "words": "two"}
    with path.open("ab") as file:
        file.write(
            b"".join(json.dumps(one).encode() + b"\n" for one in (newer, older, other, ["x"]))
            + b"[" * 99_999
            + b"\n"
        )

    Journal(tmp_path, retention_days=9).seal()

    assert {answer.request for answer in read_all(tmp_path)} == {answer.request for answer in written} | {
        "newer"
    }
    (aside,) = tmp_path.rglob("*.unread")
    assert len(aside.read_bytes().splitlines()) == 4


def test_a_segment_that_cannot_be_sealed_does_not_stop_the_service(tmp_path: Path) -> None:
    written = _left(tmp_path, make_entries(1))
    (path,) = tmp_path.rglob("*.jsonl")
    path.with_suffix(".sealing").mkdir()  # in the way

    journal = Journal(tmp_path, retention_days=9)

    assert journal.seal() == 0
    assert read_all(tmp_path) == written
    path.with_suffix(".sealing").rmdir()
    assert journal.seal() == 1


def test_many_requests_are_found_at_once_in_living_and_sealed_segments(tmp_path: Path) -> None:
    sealed, living = make_entries(30), make_entries(30)
    _left(tmp_path, sealed)
    journal = Journal(tmp_path, retention_days=9)
    journal.seal()
    journal.append(living)

    asked = [(answer.request, 0) for answer in sealed[:20] + living[:20]]

    assert set(journal.find_all([*asked, ("2026112508-none", 0), ("", 0)])) == set(asked)


def test_a_text_that_looks_like_a_line_is_not_found_as_one(
    tmp_path: Path,
) -> None:
    one = make_entries(1)[0]
    sly = dataclasses.replace(one, position=1, text='{"request":"' + one.request + '","position":0')
    journal = Journal(tmp_path, retention_days=9)
    journal.append([sly, one])

    assert [journal.find(one.request, position) for position in (0, 1, 2)] == [one, sly, None]
    journal.close()
    assert [journal.find(one.request, position) for position in (0, 1, 2)] == [one, sly, None]


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(WORDS, st.lists(st.floats(allow_nan=False), max_size=4), st.booleans(), st.integers(0, 2**40))
def test_an_entry_survives_a_round_trip_as_line_and_as_table(
    text: str, shares: list[float], sure: bool, words: int
) -> None:
    made = dataclasses.replace(
        make_entries(1)[0], text=text, topic=text, probabilities=tuple(shares), uncertain=sure, words=words
    )

    table, strange = lines.parse_lines(lines.to_line(made), JournalEntry)

    assert (lines.table_to_entries(table, JournalEntry), strange) == ([made], [])
    assert list(lines.find_entries(lines.to_line(made), JournalEntry, {made.request})) == [made]


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    journal.append_feedback(
        [make_feedback(dataclasses.replace(make_entries(1)[0], text="so \ud800 good"), "neutral")]
    )
    journal.close()

    assert [entry.text for entry in journal.labels()] == ["so ? good"]
    assert isinstance(journal.labels()[0], Feedback)


def _left(folder: Path, part: list[JournalEntry]) -> list[JournalEntry]:
    """Leave a segment as a killed writer does."""
    hour = folder / "answers" / HOUR
    hour.mkdir(parents=True, exist_ok=True)
    (hour / f"1-{part[0].request}.jsonl").write_bytes(b"".join(lines.to_line(answer) for answer in part))
    return part
