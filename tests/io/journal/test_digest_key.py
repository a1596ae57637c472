"""The key of text digests: made once, for its owner alone, and the same for every process."""

import threading
from pathlib import Path

import pytest

from pipeline.base.digests import keyed_digest
from pipeline.base.errors import Fault
from pipeline.io.journal.digest_key import read_digest_key


def test_concurrent_first_readers_get_one_key(tmp_path: Path) -> None:
    keys: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: keys.append(read_digest_key(tmp_path / "home" / "journal.key")))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(keys), len(set(keys)), len(keys[0])) == (12, 1, 32)
    (path,) = (tmp_path / "home").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    key = read_digest_key(tmp_path / "journal.key")
    (tmp_path / "journal.key").chmod(0o644)

    assert read_digest_key(tmp_path / "journal.key") == key
    assert (tmp_path / "journal.key").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.key").write_bytes(b"short")

    with pytest.raises(Fault, match=r"journal.key is no key of 32 bytes"):
        read_digest_key(tmp_path / "journal.key")


def test_two_workspaces_hash_one_text_differently(tmp_path: Path) -> None:
    keys = [read_digest_key(tmp_path / name / "journal.key") for name in "ab"]

    first, second = (keyed_digest("call 2125551234", key) for key in keys)

    assert first != second
    assert first == keyed_digest("call 2125551234", keys[0])
