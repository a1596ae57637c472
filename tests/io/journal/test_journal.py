"""The journal: what was answered stands there, whatever dies."""

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_fixtures import EIGHT, make_entries, make_feedback, read_all, stamp

from pipeline.base.errors import Fault
from pipeline.io.journal.journal import Journal, request_id

SUPPORT = Path(__file__).parents[2] / "support"
PREAMBLE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from journal_fixtures import make_entries
from pipeline.base.errors import Fault
from pipeline.io.journal.journal import Journal
journal = Journal(Path(sys.argv[1]), retention_days=9)
"""
FOREVER = """
while True:
    part = make_entries(3)
    journal.append(part)
    print(*(entry.request for entry in part), flush=True)
"""


def child(program: str, folder: Path) -> "subprocess.Popen[str]":
    """Run a program that has `make_entries` and a `journal` in this folder."""
    command = [sys.executable, "-c", PREAMBLE + program, str(folder), str(SUPPORT)]
    return subprocess.Popen(command, cwd=SUPPORT.parents[1], stdout=subprocess.PIPE, text=True)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_entries_are_read_in_the_order_of_time_open_and_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    written = make_entries(5)
    journal.append(written[3:])
    journal.append(written[:3])
    assert read_all(tmp_path) == written

    journal.close()
    assert read_all(tmp_path) == written
    assert names(tmp_path) == ["predictions/2026-11-25T08.db"]


def test_only_the_requested_window_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    written = [*make_entries(2), *make_entries(2, EIGHT + timedelta(hours=1))]
    journal.append(written)
    window = ("2026-11-25T08:00:01.000000Z", "2026-11-25T09:00:01.000000Z")

    assert list(journal.predictions(*window)) == written[1:3]
    assert journal.count(*window) == 2
    assert journal.count("2026-11-25T09", "9999") == 2
    assert sum(count.predictions for count in journal.counts(*window)) == 2
    keys = [key for key, _, _ in journal.keys(*window, release="R1")]
    assert journal.entries(reversed(keys)) == written[1:3]


def test_counts_are_of_each_release_topic_and_label(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    first, second, third, fourth = make_entries(4)
    journal.append(
        [
            first,
            dataclasses.replace(second, text="", probabilities=(0.5, 0.3, 0.2)),
            dataclasses.replace(third, topic="phones"),
            dataclasses.replace(fourth, release="R2", label="neutral"),
        ]
    )

    counts = [dataclasses.astuple(count) for count in journal.counts("", "9999")]

    assert counts == [
        ("R1", "general", "positive", 2, 1, pytest.approx(1.2), ()),
        ("R1", "phones", "positive", 1, 1, pytest.approx(0.7), ()),
        ("R2", "general", "neutral", 1, 1, pytest.approx(0.7), ()),
    ]
    assert [key[1:] for key in journal.keys("", "9999", release="R1")] == [
        (("general",), True),
        (("general",), False),
        (("phones",), True),
    ]


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


def test_many_requests_are_found_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    written = [*make_entries(30), *make_entries(30, EIGHT + timedelta(hours=1))]
    journal.append(written)

    keys = [(entry.request, 0) for entry in written[:40]]

    assert set(journal.find_all([*keys, ("2026112508-none", 0), ("", 0)])) == set(keys)


def test_a_prediction_is_stored_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    (one,) = make_entries(1)
    journal.append([one])
    journal.append([dataclasses.replace(one, label="negative")])

    assert read_all(tmp_path) == [one]


def test_request_ids_sort_by_time_and_end_in_80_random_bits() -> None:
    moments = [EIGHT + timedelta(microseconds=step * 7_777_777) for step in range(400)]
    ids = [request_id(moment) for moment in moments]

    assert ids == sorted(ids)
    assert all(re.fullmatch(r"2026112508-[0-9a-f]{28}", one) for one in ids)
    assert len({one[-20:] for one in ids}) == 400  # 80 random bits


def test_the_first_label_of_a_prediction_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    one, other = make_entries(2)
    assert journal.append_feedback([make_feedback(one, "negative")]) == ["negative"]
    later = [make_feedback(entry, "neutral", EIGHT + timedelta(days=40)) for entry in (one, other)]

    assert journal.append_feedback(later) == ["negative", "neutral"]

    reader = Journal.reading(tmp_path)
    assert [entry.label for entry in reader.labels()] == ["negative", "neutral"]
    assert [entry.label for entry in reader.newest_labels()] == ["neutral", "negative"]
    assert [entry.label for entry in reader.labels("2026-12-01T00:00:00.000000Z")] == ["neutral"]


def test_entries_written_before_a_kill_survive_it(tmp_path: Path) -> None:
    writer = child(FOREVER, tmp_path)
    assert writer.stdout is not None
    promised = [writer.stdout.readline().split() for _ in range(50)]
    living = Journal(tmp_path, retention_days=9)
    os.kill(writer.pid, signal.SIGKILL)
    rest, _ = writer.communicate()
    promised += [line.split() for line in rest.splitlines() if len(line.split()) == 3]

    read = [entry.request for entry in read_all(tmp_path)]
    living.seal()

    assert [entry.request for entry in read_all(tmp_path)] == read
    assert {request for line in promised for request in line} <= set(read)
    assert len(read) == len(set(read))
    assert names(tmp_path) == ["predictions/2026-11-25T08.db"]


def test_processes_write_at_once_while_others_close_and_read(tmp_path: Path) -> None:
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
        seen = [entry.request for entry in read_all(tmp_path)]
        assert len(seen) == len(set(seen))
    promised = [request for one in children for request in one.communicate()[0].split()]

    assert len(promised) == 50
    assert sorted(entry.request for entry in read_all(tmp_path)) == sorted(promised)


def test_concurrent_threads_lose_no_entry(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    parts = [make_entries(5) for _ in range(40)]
    threads = [threading.Thread(target=journal.append, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {entry.request for entry in read_all(tmp_path)} == {
        entry.request for part in parts for entry in part
    }


def test_a_write_that_fails_halfway_loses_no_other_entry(tmp_path: Path) -> None:
    program = """
import dataclasses, resource
first = make_entries(1)
journal.append(first)
log = next(Path(sys.argv[1]).glob("predictions/*-wal"))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 100, hard))  # as a full disk
try:
    journal.append([dataclasses.replace(entry, text="long " * 9_000) for entry in make_entries(9)])
except Fault as error:
    print(str(error))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
last = make_entries(1)
journal.append(last)
print(first[0].request, last[0].request)
"""
    fault, requests = child(program, tmp_path).communicate()[0].splitlines()

    assert re.search(r"cannot write to .*2026-11-25T08.db \(.+\). Fix that", fault)
    assert sorted(entry.request for entry in read_all(tmp_path)) == sorted(requests.split())


def test_a_removed_folder_loses_only_its_own_entries(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    journal.append(make_entries(1))
    shutil.rmtree(tmp_path / "predictions")

    after = make_entries(1)
    journal.append(after)

    assert read_all(tmp_path) == after


def test_a_folder_that_cannot_be_written_to_is_a_fault_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "predictions").write_text("in the way")
    journal = Journal(tmp_path, retention_days=9)

    with pytest.raises(Fault, match=r"predictions/2026-11-25T08.db \(File exists\)"):
        journal.append(make_entries(1))
    with pytest.raises(Fault, match="cannot write"):
        journal.probe(EIGHT)
    (tmp_path / "predictions").unlink()
    journal.probe(EIGHT)
    assert read_all(tmp_path) == []


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    journal.append(make_entries(1))
    journal.close()
    (path,) = tmp_path.glob("predictions/*")
    path.write_bytes(b"no database" * 99)

    with pytest.raises(Fault, match=path.name):
        read_all(tmp_path)


def test_an_hour_is_closed_when_the_next_begins(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    journal.append(make_entries(2))
    journal.append(make_entries(1, EIGHT.replace(hour=9)))

    assert [name for name in names(tmp_path) if "T08" in name] == ["predictions/2026-11-25T08.db"]
    assert "predictions/2026-11-25T09.db-wal" in names(tmp_path)


def test_reading_changes_nothing_on_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    written = [*make_entries(2), *make_entries(1, EIGHT.replace(hour=9))]
    journal.append(written[:2])
    journal.append(written[2:])
    journal.append_feedback([make_feedback(written[0], "neutral")])
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in names(tmp_path) if "-shm" not in name}

    reader = Journal.reading(tmp_path)
    assert read_all(tmp_path) == written
    assert (reader.find(written[0].request, 0), len(list(reader.labels()))) == (written[0], 1)

    after = {name: (tmp_path / name).stat().st_mtime_ns for name in names(tmp_path) if "-shm" not in name}
    assert after == before


def test_a_journal_that_nobody_may_write_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    journal.append(written := make_entries(2))
    journal.close()
    (path,) = tmp_path.glob("predictions/*")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # As left by two writers that ended at the same time.
        connection.execute("PRAGMA journal_mode=WAL")
    mount = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,ro {tmp_path}"
    program = "import sys; from journal_fixtures import read_all; from pathlib import Path; "
    program += "print(*(entry.request for entry in read_all(Path(sys.argv[1]))))"
    shell = f"{mount} && {sys.executable} -c '{program}' {tmp_path}"
    paths = os.pathsep.join([str(SUPPORT), str(SUPPORT.parents[1])])
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", shell], capture_output=True, text=True, env={"PYTHONPATH": paths}
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this machine allows no mounts")

    assert done.stdout.split() == [entry.request for entry in written], done.stderr


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(WORDS, st.lists(st.floats(allow_nan=False), max_size=4), st.booleans(), st.integers(0, 2**40))
def test_an_entry_survives_a_round_trip(
    tmp_path: Path, text: str, shares: list[float], sure: bool, words: int
) -> None:
    journal = Journal(tmp_path, retention_days=9)
    (one,) = make_entries(1)
    made = dataclasses.replace(
        one, text=text, topic=text, probabilities=tuple(shares), uncertain=sure, words=words
    )

    journal.append([made])

    assert journal.find(made.request, 0) == made
    journal.close()


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    journal.append([dataclasses.replace(make_entries(1)[0], text="so \ud800 good")])

    assert [entry.text for entry in read_all(tmp_path)] == ["so ? good"]


def test_an_hour_of_the_year_2262_has_keys_too(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    journal.append(written := make_entries(2, datetime(2262, 1, 2, 3, tzinfo=UTC)))

    assert journal.entries([key for key, *_ in journal.keys("", "9999", release="R1")]) == written
