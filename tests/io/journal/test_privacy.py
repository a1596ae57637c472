"""What the journal must not keep or show: forgotten requests, hashed texts, anything to other users."""

import dataclasses
import os
from pathlib import Path

import pytest
from journal_fixtures import EIGHT, make_entries, make_feedback, read_all

from pipeline.base.errors import Fault
from pipeline.io.journal.journal import Journal


def test_only_the_owner_may_read_the_journal(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir(mode=0o755)
    previous = os.umask(0)
    try:
        journal = Journal(folder, retention_days=9)
        journal.append(make_entries(1))
        journal.append_feedback([make_feedback(make_entries(1)[0], "neutral")])
        journal.retain(EIGHT)
    finally:
        os.umask(previous)

    modes = {path: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
    assert len(modes) >= 10
    assert {path: mode for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


def test_no_byte_of_a_forgotten_request_is_left(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    secret = "canary in a coal mine"
    kept, gone = make_entries(300), make_entries(3)
    gone = [
        dataclasses.replace(entry, request=gone[0].request, position=position, text=f"{secret} {'x' * size}")
        for position, (entry, size) in enumerate(zip(gone, (0, 300, 30_000), strict=True))
    ]
    # Among others, before and after them; the table grows over several pages.
    journal.append([*gone[:1], *kept[:150], *gone[1:], *kept[150:]])
    journal.append_feedback([make_feedback(entry, "neutral") for entry in (gone[0], kept[0])])
    other = Journal(tmp_path, retention_days=9)  # of another process
    other.append(make_entries(1))

    assert {entry.position for entry in journal.of_requests([gone[0].request])} == {0, 1, 2}
    journal.forget([gone[0].request])

    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert (secret.encode() in files, gone[0].request.encode() in files) == (False, False)
    assert {entry.request for entry in kept} < {entry.request for entry in read_all(tmp_path)}
    assert [entry.request for entry in journal.labels()] == [kept[0].request]
    journal.forget([gone[0].request, "2026112508-none", "no request"])


def test_a_reader_in_the_way_of_forgetting_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.io.journal.database.BUSY_SECONDS", 0.1)
    journal = Journal(tmp_path, retention_days=9)
    (one,) = make_entries(1)
    journal.append([dataclasses.replace(one, position=position) for position in range(9000)])
    reading = Journal.reading(tmp_path).predictions("", "9999")
    next(reading)

    with pytest.raises(Fault, match="Type the same again"):
        journal.forget([one.request])
    reading.close()  # type: ignore[attr-defined]
    journal.forget([one.request])

    assert one.request.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("*/*"))


def test_a_text_that_may_not_be_stored_is_not(tmp_path: Path) -> None:
    journal = Journal(tmp_path, retention_days=9)
    (one,) = make_entries(1)
    journal.append([dataclasses.replace(one, text="")])
    journal.close()

    assert b"so good" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
