"""API keys: shown once, kept as hashes, dead at once when revoked."""

import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.errors import Fault, UsageError
from pipeline.io.security import api_keys
from pipeline.io.security.api_keys import KeyCheck, KeyStore

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api_keys.json"


def make(path: Path, *scopes: str, days: int | None = None) -> tuple[api_keys.ApiKey, str]:
    return api_keys.create_key(path, name="shop", scopes=scopes or ("predict",), days=days, now=NOW)


def test_a_key_opens_its_scopes_and_no_other(path: Path) -> None:
    key, told = make(path, "predict", "feedback")

    assert KeyStore(path).check(told, "feedback", now=NOW) == KeyCheck(key.id, "", ("predict", "feedback"))
    assert KeyStore(path).check(told, "admin", now=NOW).refused == "scope"


def test_the_file_is_its_owners_and_holds_no_secret(path: Path) -> None:
    _, told = make(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert told.split("_", 2)[2] not in path.read_text()
    assert all("hash" not in key.as_dict() for key in api_keys.list_keys(path))


def test_a_revoked_key_is_dead_at_the_next_check(path: Path) -> None:
    key, told = make(path)
    gate = KeyStore(path)
    assert gate.check(told, "predict", now=NOW).refused == ""

    api_keys.revoke_key(path, key.id, now=NOW)

    assert gate.check(told, "predict", now=NOW).refused == "revoked"
    assert api_keys.revoke_key(path, key.id, now=NOW + timedelta(days=1)).revoked == "2026-11-25T08:00:00Z"


def test_a_key_expires_with_a_minutes_leeway_for_clocks(path: Path) -> None:
    _, told = make(path, days=1)
    gate = KeyStore(path)

    assert gate.check(told, "predict", now=NOW + timedelta(days=1, seconds=60)).refused == ""
    assert gate.check(told, "predict", now=NOW + timedelta(days=1, seconds=61)).refused == "expired"


def test_only_a_key_that_still_opens_something_makes_a_list_usable(path: Path) -> None:
    gate = KeyStore(path)
    assert not gate.usable(now=NOW)

    make(path, days=1)
    assert gate.usable(now=NOW)
    assert not gate.usable(now=NOW + timedelta(days=1, seconds=61))

    key, _ = make(path)
    assert gate.usable(now=NOW + timedelta(days=400))
    api_keys.revoke_key(path, key.id, now=NOW)
    assert not gate.usable(now=NOW + timedelta(days=400))


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "tw",
        "tw_1_2",
        "tw_{id}_",
        "tw_{id}_x",
        "{told}x",
        "TW_{id}_{rest}",
        "tw_{id}_\ud800",
        "\0",
        "a" * 10_000,
    ],
)
def test_a_forged_key_opens_nothing(path: Path, forged: str) -> None:
    key, told = make(path, "admin")
    forged = forged.replace("{id}", key.id).replace("{told}", told).replace("{rest}", told.split("_", 2)[2])

    assert KeyStore(path).check(forged, "admin", now=NOW).refused in ("missing", "unknown")


def test_a_key_of_another_file_opens_nothing(path: Path, tmp_path: Path) -> None:
    make(path)
    _, told = make(tmp_path / "other.json")

    assert KeyStore(path).check(told, "predict", now=NOW).refused == "unknown"


def test_a_damaged_or_vanished_file_opens_nothing(path: Path) -> None:
    _, told = make(path)
    gate = KeyStore(path)
    assert gate.check(told, "predict", now=NOW).refused == ""

    path.write_text("{")
    assert gate.check(told, "predict", now=NOW).refused == "unknown"
    with pytest.raises(Fault, match="damaged"):
        api_keys.list_keys(path)
    path.unlink()
    assert gate.check(told, "predict", now=NOW).refused == "unknown"


def test_a_file_that_others_can_read_is_refused_with_what_to_type(path: Path) -> None:
    make(path)
    os.chmod(path, 0o644)  # noqa: PTH101

    with pytest.raises(UsageError, match="chmod 600"):
        api_keys.list_keys(path)


def test_keys_made_at_once_are_all_there(path: Path) -> None:
    threads = [threading.Thread(target=make, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({key.id for key in api_keys.list_keys(path)}) == 8
    assert len(json.loads(path.read_text())["keys"]) == 8


@pytest.mark.parametrize(
    ("name", "scopes"), [("shop", ["root"]), ("shop", []), ("", ["predict"]), ("a\nb", ["predict"])]
)
def test_a_key_that_makes_no_sense_is_not_made(path: Path, name: str, scopes: list[str]) -> None:
    with pytest.raises(UsageError):
        api_keys.create_key(path, name=name, scopes=scopes, days=None, now=NOW)

    assert not path.exists()


def test_an_unknown_key_cannot_be_revoked(path: Path) -> None:
    with pytest.raises(UsageError, match="keys list"):
        api_keys.revoke_key(path, "nobody", now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"expires": "soon"},
        {"expires": None},
        {"hash": None},
        {"hash": "é" * 64},
        {"scopes": "predict"},
        {"scopes": ["root"]},
        {"revoked": False},
        {"id": 5},
        {"more": "than a key has"},
    ],
)
def test_a_file_with_one_entry_that_is_no_key_opens_nothing(path: Path, change: dict[str, Any]) -> None:
    _, told = make(path)
    content = json.loads(path.read_text())
    content["keys"][0].update(change)
    path.write_text(json.dumps(content))

    assert KeyStore(path).check(told, "predict", now=NOW).refused == "unknown"
    with pytest.raises(Fault, match="damaged"):
        api_keys.list_keys(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "[" * 100_000, "\0", '{"salt": "", "keys": []}', '{"salt": "00", "keys": {}}']
)
def test_a_file_that_is_none_of_ours_opens_nothing_and_is_not_written_over(path: Path, content: str) -> None:
    _, told = make(path)
    path.write_text(content)

    assert KeyStore(path).check(told, "predict", now=NOW).refused == "unknown"
    with pytest.raises(Fault, match="damaged"):
        make(path)
    assert path.read_text() == content


def test_two_entries_of_one_id_open_nothing(path: Path) -> None:
    key, told = make(path)
    content = json.loads(path.read_text())
    api_keys.revoke_key(path, key.id, now=NOW)
    revoked = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "keys": [*revoked["keys"], *content["keys"]]}))

    assert KeyStore(path).check(told, "predict", now=NOW).refused == "unknown"


def test_a_file_opened_to_others_while_the_service_runs_opens_nothing(path: Path) -> None:
    _, told = make(path)
    gate = KeyStore(path)
    assert gate.check(told, "predict", now=NOW).refused == ""

    path.chmod(0o640)
    assert gate.check(told, "predict", now=NOW).refused == "unknown"
    path.chmod(0o600)
    assert gate.check(told, "predict", now=NOW).refused == ""


def test_once_there_were_keys_removing_the_file_opens_no_door(path: Path) -> None:
    gate = KeyStore(path)
    assert not gate.any()
    make(path)
    assert gate.any()

    path.unlink()

    assert gate.any()


@pytest.mark.parametrize("days", [0, -1, 10**7, 10**12])
def test_a_time_to_live_that_makes_no_sense_is_refused(path: Path, days: int) -> None:
    with pytest.raises(UsageError, match="--days 90"):
        make(path, days=days)


def test_two_processes_make_and_revoke_at_once_and_lose_none(path: Path) -> None:
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; from pipeline.io.security import api_keys as keys\n"
        "for _ in range(10):\n"
        "    key, _ = keys.new(Path(sys.argv[1]), name='one', scopes=['predict'], days=None, now=datetime.now(UTC))\n"
        "    keys.revoke(Path(sys.argv[1]), key.id, now=datetime.now(UTC))\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=Path(__file__).parents[3])
        for _ in range(2)
    ]

    assert [child.wait() for child in children] == [0, 0]
    assert [bool(key.revoked) for key in api_keys.list_keys(path)] == [True] * 20


def test_a_writer_killed_anywhere_leaves_a_file_that_works(path: Path) -> None:
    _, told = make(path)
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; from pipeline.io.security import api_keys as keys\n"
        "print(flush=True)\n"
        "while True: keys.new(Path(sys.argv[1]), name='one', scopes=['predict'], days=None, now=datetime.now(UTC))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], cwd=Path(__file__).parents[3], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    while len(api_keys.list_keys(path)) < 5:
        assert child.poll() is None
    child.kill()
    child.communicate()

    assert KeyStore(path).check(told, "predict", now=NOW).refused == ""
    make(path)
    assert path.stat().st_mode & 0o777 == 0o600
