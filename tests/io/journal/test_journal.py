"""The journal: what was answered stands there, whatever dies."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from journal_fixtures import EIGHT, make_entries, make_feedback, read_all, stamp

from pipeline.base.errors import Fault
from pipeline.io.journal.journal import Journal, latest_labels, request_id


def test_entries_are_read_in_the_order_of_time_open_and_sealed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    written = make_entries(5)
    journal.append(written[3:])
    journal.append(written[:3])
    assert read_all(tmp_path) == written

    journal.close()
    assert read_all(tmp_path) == written
    assert [path.suffix for path in tmp_path.glob("answers/*/*")] == [".parquet"]


def test_only_the_requested_window_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    written = [*make_entries(2), *make_entries(2, EIGHT + timedelta(hours=1))]
    journal.append(written)

    found = list(journal.predictions("2026-11-25T08:00:01.000000Z", "2026-11-25T09:00:01.000000Z"))

    assert found == written[1:3]


def test_a_prediction_is_found_by_request_and_position(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    (one,) = make_entries(1)
    late = dataclasses.replace(one, request=request_id(EIGHT), time=stamp(EIGHT + timedelta(minutes=61)))
    journal.append([one, late])

    assert journal.find(one.request, 0) == one
    assert journal.find(late.request, 0) == late  # answered in the hour after its request came in
    assert journal.find(one.request, 1) is None
    assert journal.find("../../etc/passwd", 0) is None
    assert journal.find("9999999999-x", 0) is None
    assert journal.find("9999123123-x", 0) is None  # its next hour is beyond the calendar


def test_the_last_feedback_of_a_prediction_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    (one,) = make_entries(1)
    journal.append_feedback([make_feedback(one, "negative")])
    journal.append_feedback([make_feedback(one, "neutral", EIGHT + timedelta(days=40))])
    journal.close()

    assert [entry.label for entry in Journal.reading(tmp_path).labels()] == ["negative", "neutral"]
    assert [entry.label for entry in latest_labels(journal.labels())] == ["neutral"]
    assert [entry.label for entry in journal.labels("2026-12-01T00:00:00.000000Z")] == ["neutral"]


def test_a_torn_last_line_is_ignored(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    written = make_entries(2)
    journal.append(written)
    (segment,) = tmp_path.glob("answers/*/*.jsonl")
    with segment.open("ab") as file:
        file.write(b'{"request": "half of a li')

    assert read_all(tmp_path) == written
    journal.close()
    assert read_all(tmp_path) == written


def test_a_kill_while_sealing_loses_and_repeats_no_entry(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    written = make_entries(3)
    journal.append(written)
    (segment,) = tmp_path.glob("answers/*/*.jsonl")
    content = segment.read_bytes()
    journal.close()
    segment.write_bytes(content)  # as if the process had died right before it removed this

    assert read_all(tmp_path) == written
    Journal(tmp_path, retention_days=9).seal()
    assert read_all(tmp_path) == written
    assert not segment.exists()


CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from journal_fixtures import make_entries
from pipeline.io.journal.journal import Journal
journal = Journal(Path(sys.argv[1]), retention_days=9)
while True:
    part = make_entries(3)
    journal.append(part)
    print(*(answer.request for answer in part), flush=True)
"""


def test_entries_written_before_a_kill_survive_it(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parents[2] / "support")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert child.stdout is not None
    promised = [child.stdout.readline().split() for _ in range(50)]
    living = Journal(tmp_path, retention_days=9)  # does not touch the segment of a writer that lives
    os.kill(child.pid, signal.SIGKILL)
    rest, _ = child.communicate()
    promised += [line.split() for line in rest.splitlines() if len(line.split()) == 3]

    assert len(list(tmp_path.glob("answers/*/*.jsonl"))) == 1
    assert living.seal() == 1
    found = [answer.request for answer in read_all(tmp_path)]
    assert {request for line in promised for request in line} <= set(found)
    assert len(found) == len(set(found))


def test_concurrent_threads_lose_no_entry(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    parts = [make_entries(5) for _ in range(40)]
    threads = [threading.Thread(target=journal.append, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.request for answer in read_all(tmp_path)} == {
        answer.request for part in parts for answer in part
    }


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    journal.append(make_entries(1))
    journal.close()
    (table,) = tmp_path.glob("answers/*/*.parquet")
    table.write_bytes(b"PAR1 no more")

    with pytest.raises(Fault, match=table.name):
        read_all(tmp_path)


def test_a_text_that_may_not_be_stored_is_not(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    (one,) = make_entries(1)
    journal.append([dataclasses.replace(one, text="")])
    journal.close()

    assert b"so good" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
