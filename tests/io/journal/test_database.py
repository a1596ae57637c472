"""Databases of the journal: which kind of log they have, and how they are closed and removed."""

from pathlib import Path

import pytest
from journal_fixtures import EIGHT, make_entries, make_feedback, read_all

from pipeline.io.journal import database
from pipeline.io.journal.database import Database, is_network_folder, merge_log, path_of, read_rows, remove
from pipeline.io.journal.journal import Journal

MOUNTS = """
/dev/vda / ext4 rw,relatime 0 0
server:/share /srv/shared nfs4 rw 0 0
tmpfs /srv/shared/scratch tmpfs rw 0 0
//nas/team /srv/my\\040team cifs rw 0 0
a /srv/twice nfs rw 0 0
b /srv/twice ext4 rw 0 0
broken line
"""
SCHEMA = "CREATE TABLE IF NOT EXISTS t (a INTEGER)"


@pytest.mark.parametrize(
    ("folder", "network"),
    [
        ("/data/w", False),
        ("/srv/shared", True),
        ("/srv/shared/w/.tonewatch/journal", True),
        ("/srv/sharedtoo", False),
        ("/srv/shared/scratch/w", False),
        ("/srv/my team/w", True),
        ("/srv/twice/w", False),
    ],
)
def test_a_network_folder_is_one_by_its_innermost_mount(tmp_path: Path, folder: str, network: bool) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)

    assert is_network_folder(Path(folder), tmp_path / "mounts") is network
    assert not is_network_folder(Path(folder), tmp_path / "absent")


def test_on_a_network_file_system_several_writers_share_a_folder_without_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "is_network_folder", lambda folder: True)
    one, other = (Journal(tmp_path, retention_days=9) for _ in range(2))
    written = make_entries(40)
    for first, second in zip(written[::2], written[1::2], strict=True):
        one.append([first])
        other.append([second])
        assert read_all(tmp_path)[-1] == second
    one.append_feedback([make_feedback(written[0], "neutral")])

    assert other.find(written[0].request, 0) == written[0]
    assert [path.name for path in tmp_path.rglob("*-shm")] == []
    one.forget([written[0].request])
    assert read_all(tmp_path) == written[1:]


def test_a_database_that_is_open_is_neither_merged_nor_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    opened = Database(path, SCHEMA)
    assert opened.begin()
    opened.connection.execute("INSERT INTO t VALUES (7)")
    opened.connection.execute("COMMIT")

    assert (merge_log(path), remove(path)) == (False, False)
    assert list(read_rows(path, "SELECT a FROM t")) == [(7,)]
    opened.close()
    assert (remove(path), list(tmp_path.iterdir())) == (True, [])


def test_a_file_that_is_no_database_is_removed_too(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"no database" * 99)

    assert remove(path)


def test_a_database_without_tables_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()

    assert list(read_rows(tmp_path / "a.db", "SELECT * FROM t")) == []
    assert list(read_rows(tmp_path / "none.db", "SELECT * FROM t")) == []


def test_an_old_hour_that_is_no_database_any_more_leaves_with_the_retention(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=2)
    for day in range(20, 26):
        journal.append(make_entries(1, EIGHT.replace(day=day)))
    journal.close()
    path_of(tmp_path, "2026-11-20T08").write_bytes(b"damaged " * 999)

    assert "2026-11-20T08" in journal.retain(EIGHT).removed
