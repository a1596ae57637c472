"""API keys: shown once, kept as hashes, dead at once when revoked."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import Fault, WrongUse
from pipeline.security import keys
from pipeline.security.keys import Checked, Keys

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def make(path: Path, *scopes: str, days: int | None = None) -> tuple[keys.Key, str]:
    return keys.new(path, name="shop", scopes=scopes or ("predict",), days=days, now=NOW)


def test_a_key_opens_its_scopes_and_no_other(path: Path) -> None:
    key, told = make(path, "predict", "feedback")

    assert Keys(path).check(told, "feedback", now=NOW) == Checked(key.id, "", ("predict", "feedback"))
    assert Keys(path).check(told, "admin", now=NOW).refused == "scope"


def test_the_file_is_its_owners_and_holds_no_secret(path: Path) -> None:
    _, told = make(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert told.split("_", 2)[2] not in path.read_text()
    assert all("hash" not in key.as_dict() for key in keys.listing(path))


def test_a_revoked_key_is_dead_at_the_next_check(path: Path) -> None:
    key, told = make(path)
    gate = Keys(path)
    assert gate.check(told, "predict", now=NOW).refused == ""

    keys.revoke(path, key.id, now=NOW)

    assert gate.check(told, "predict", now=NOW).refused == "revoked"
    assert keys.revoke(path, key.id, now=NOW + timedelta(days=1)).revoked == "2026-11-25T08:00:00Z"


def test_a_key_expires_with_a_minutes_leeway_for_clocks(path: Path) -> None:
    _, told = make(path, days=1)
    gate = Keys(path)

    assert gate.check(told, "predict", now=NOW + timedelta(days=1, seconds=60)).refused == ""
    assert gate.check(told, "predict", now=NOW + timedelta(days=1, seconds=61)).refused == "expired"


@pytest.mark.parametrize(
    "forged", ["", "tw", "tw_1_2", "tw_{id}_", "tw_{id}_x", "{told}x", "TW_{id}_{rest}", "tw_{id}_\ud800", "\0", "a" * 10_000]
)
def test_a_forged_key_opens_nothing(path: Path, forged: str) -> None:
    key, told = make(path, "admin")
    forged = forged.replace("{id}", key.id).replace("{told}", told).replace("{rest}", told.split("_", 2)[2])

    assert Keys(path).check(forged, "admin", now=NOW).refused in ("missing", "unknown")


def test_a_key_of_another_file_opens_nothing(path: Path, tmp_path: Path) -> None:
    make(path)
    _, told = make(tmp_path / "other.json")

    assert Keys(path).check(told, "predict", now=NOW).refused == "unknown"


def test_a_damaged_or_vanished_file_opens_nothing(path: Path) -> None:
    _, told = make(path)
    gate = Keys(path)
    assert gate.check(told, "predict", now=NOW).refused == ""

    path.write_text("{")
    assert gate.check(told, "predict", now=NOW).refused == "unknown"
    with pytest.raises(Fault, match="damaged"):
        keys.listing(path)
    path.unlink()
    assert gate.check(told, "predict", now=NOW).refused == "unknown"


def test_a_file_that_others_can_read_is_refused_with_what_to_type(path: Path) -> None:
    make(path)
    os.chmod(path, 0o644)  # noqa: PTH101

    with pytest.raises(WrongUse, match="chmod 600"):
        keys.listing(path)


def test_keys_made_at_once_are_all_there(path: Path) -> None:
    threads = [threading.Thread(target=make, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({key.id for key in keys.listing(path)}) == 8
    assert len(json.loads(path.read_text())["keys"]) == 8


@pytest.mark.parametrize(("name", "scopes"), [("shop", ["root"]), ("shop", []), ("", ["predict"]), ("a\nb", ["predict"])])
def test_a_key_that_makes_no_sense_is_not_made(path: Path, name: str, scopes: list[str]) -> None:
    with pytest.raises(WrongUse):
        keys.new(path, name=name, scopes=scopes, days=None, now=NOW)

    assert not path.exists()


def test_an_unknown_key_cannot_be_revoked(path: Path) -> None:
    with pytest.raises(WrongUse, match="keys list"):
        keys.revoke(path, "nobody", now=NOW)
