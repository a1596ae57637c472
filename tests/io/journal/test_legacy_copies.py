"""Copies of what earlier versions left: whole or absent, and gone with their process."""

import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from journal_fixtures import leave_segment, make_entries

from pipeline.base.errors import Fault
from pipeline.io.journal.journal import Journal
from pipeline.io.journal.legacy_copies import PREFIX

CHECKOUT = Path(__file__).parents[3]
# Kills itself where the copy of an hour would get its name.
KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.io.journal.journal import Journal

def die(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(".db"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
list(Journal.reading(Path(sys.argv[1])).predictions("", "9999"))
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_a_copy_that_failed_half_way_is_not_read(tmp_path: Path, temporary: Path) -> None:
    first, second = make_entries(2)
    leave_segment(tmp_path, [first], "1-a.jsonl")
    damaged = leave_segment(tmp_path, [second], "2-b.parquet")
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-9])
    reader = Journal.reading(tmp_path)

    with pytest.raises(Fault, match=damaged.name):
        list(reader.predictions("", "9999"))
    with pytest.raises(Fault, match=damaged.name):  # and not half of it
        list(reader.predictions("", "9999"))
    damaged.write_bytes(content)

    assert list(reader.predictions("", "9999")) == [first, second]


def test_the_copy_of_a_killed_process_is_removed_and_made_anew(tmp_path: Path, temporary: Path) -> None:
    entries = make_entries(3)
    leave_segment(tmp_path, entries)
    living = Journal.reading(tmp_path)
    assert list(living.predictions("", "9999")) == entries
    (held,) = temporary.glob(f"{PREFIX}*")

    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=CHECKOUT)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(temporary.glob(f"{PREFIX}*"))) == 2

    assert list(Journal.reading(tmp_path).predictions("", "9999")) == entries
    assert list(living.predictions("", "9999")) == entries
    assert list(temporary.glob(f"{PREFIX}*")) == [held]


def test_threads_of_one_reader_wait_for_the_whole_copy(tmp_path: Path, temporary: Path) -> None:
    entries = make_entries(2000)
    for number in range(4):
        leave_segment(tmp_path, entries[number * 500 :][:500], f"{number}-a.jsonl")
    reader = Journal.reading(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: reader.count("", "9999"), range(8)))

    assert counts == [2000] * 8
