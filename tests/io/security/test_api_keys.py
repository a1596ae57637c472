"""API keys: shown once, stored as hashes, invalid at once when revoked."""

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


def create(path: Path, *scopes: str, days: int | None = None) -> tuple[api_keys.ApiKey, str]:
    return api_keys.create_key(path, name="shop", scopes=scopes or ("predict",), days=days, now=NOW)


def test_a_key_is_valid_for_its_scopes_only(path: Path) -> None:
    key, secret = create(path, "predict", "feedback")

    assert KeyStore(path).check(secret, "feedback", now=NOW) == KeyCheck(key.id)
    assert KeyStore(path).check(secret, "admin", now=NOW).rejection == "scope"


def test_the_file_is_private_and_contains_no_secret(path: Path) -> None:
    _, secret = create(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert secret.split("_", 2)[2] not in path.read_text()
    assert all("hash" not in key.as_dict() for key in api_keys.list_keys(path))


def test_a_revoked_key_is_rejected_at_the_next_check(path: Path) -> None:
    key, secret = create(path)
    store = KeyStore(path)
    assert store.check(secret, "predict", now=NOW).rejection == ""

    api_keys.revoke_key(path, key.id, now=NOW)

    assert store.check(secret, "predict", now=NOW).rejection == "revoked"
    assert api_keys.revoke_key(path, key.id, now=NOW + timedelta(days=1)).revoked == "2026-11-25T08:00:00Z"


def test_a_key_expires_with_a_minute_of_clock_skew(path: Path) -> None:
    _, secret = create(path, days=1)
    store = KeyStore(path)

    assert store.check(secret, "predict", now=NOW + timedelta(days=1, seconds=60)).rejection == ""
    assert store.check(secret, "predict", now=NOW + timedelta(days=1, seconds=61)).rejection == "expired"


def test_a_list_is_usable_while_it_has_a_valid_key(path: Path) -> None:
    store = KeyStore(path)
    assert not store.usable(now=NOW)

    create(path, days=1)
    assert store.usable(now=NOW)
    assert not store.usable(now=NOW + timedelta(days=1, seconds=61))

    key, _ = create(path)
    assert store.usable(now=NOW + timedelta(days=400))
    api_keys.revoke_key(path, key.id, now=NOW)
    assert not store.usable(now=NOW + timedelta(days=400))


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "tw",
        "tw_1_2",
        "tw_{id}_",
        "tw_{id}_x",
        "{secret}x",
        "TW_{id}_{rest}",
        "tw_{id}_\ud800",
        "\0",
        "a" * 10_000,
    ],
)
def test_a_forged_key_is_rejected(path: Path, forged: str) -> None:
    key, secret = create(path, "admin")
    forged = (
        forged.replace("{id}", key.id).replace("{secret}", secret).replace("{rest}", secret.split("_", 2)[2])
    )

    assert KeyStore(path).check(forged, "admin", now=NOW).rejection in ("missing", "unknown")


def test_a_key_of_another_file_is_rejected(path: Path, tmp_path: Path) -> None:
    create(path)
    _, secret = create(tmp_path / "other.json")

    assert KeyStore(path).check(secret, "predict", now=NOW).rejection == "unknown"


def test_a_damaged_or_missing_file_rejects_every_key(path: Path) -> None:
    _, secret = create(path)
    store = KeyStore(path)
    assert store.check(secret, "predict", now=NOW).rejection == ""

    path.write_text("{")
    assert store.check(secret, "predict", now=NOW).rejection == "unknown"
    with pytest.raises(Fault, match="damaged"):
        api_keys.list_keys(path)
    path.unlink()
    assert store.check(secret, "predict", now=NOW).rejection == "unknown"


def test_a_file_readable_by_others_is_an_error_with_a_hint(path: Path) -> None:
    create(path)
    os.chmod(path, 0o644)  # noqa: PTH101

    with pytest.raises(UsageError, match="chmod 600"):
        api_keys.list_keys(path)


def test_keys_created_concurrently_are_all_stored(path: Path) -> None:
    threads = [threading.Thread(target=create, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({key.id for key in api_keys.list_keys(path)}) == 8
    assert len(json.loads(path.read_text())["keys"]) == 8


@pytest.mark.parametrize(
    ("name", "scopes"), [("shop", ["root"]), ("shop", []), ("", ["predict"]), ("a\nb", ["predict"])]
)
def test_an_invalid_name_or_scope_creates_no_key(path: Path, name: str, scopes: list[str]) -> None:
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
def test_one_invalid_entry_rejects_every_key(path: Path, change: dict[str, Any]) -> None:
    _, secret = create(path)
    content = json.loads(path.read_text())
    content["keys"][0].update(change)
    path.write_text(json.dumps(content))

    assert KeyStore(path).check(secret, "predict", now=NOW).rejection == "unknown"
    with pytest.raises(Fault, match="damaged"):
        api_keys.list_keys(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "[" * 100_000, "\0", '{"salt": "", "keys": []}', '{"salt": "00", "keys": {}}']
)
def test_a_foreign_file_rejects_every_key_and_is_not_overwritten(path: Path, content: str) -> None:
    _, secret = create(path)
    path.write_text(content)

    assert KeyStore(path).check(secret, "predict", now=NOW).rejection == "unknown"
    with pytest.raises(Fault, match="damaged"):
        create(path)
    assert path.read_text() == content


def test_two_entries_with_one_id_reject_every_key(path: Path) -> None:
    key, secret = create(path)
    content = json.loads(path.read_text())
    api_keys.revoke_key(path, key.id, now=NOW)
    revoked = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "keys": [*revoked["keys"], *content["keys"]]}))

    assert KeyStore(path).check(secret, "predict", now=NOW).rejection == "unknown"


def test_a_file_opened_to_others_at_runtime_rejects_every_key(path: Path) -> None:
    _, secret = create(path)
    store = KeyStore(path)
    assert store.check(secret, "predict", now=NOW).rejection == ""

    path.chmod(0o640)
    assert store.check(secret, "predict", now=NOW).rejection == "unknown"
    path.chmod(0o600)
    assert store.check(secret, "predict", now=NOW).rejection == ""


def test_deleting_the_file_does_not_open_the_service(path: Path) -> None:
    store = KeyStore(path)
    assert not store.any()
    create(path)
    assert store.any()

    path.unlink()

    assert store.any()


@pytest.mark.parametrize("days", [0, -1, 10**7, 10**12])
def test_an_impossible_lifetime_is_an_error(path: Path, days: int) -> None:
    with pytest.raises(UsageError, match="--days 90"):
        create(path, days=days)


def test_two_processes_create_and_revoke_without_losing_keys(path: Path) -> None:
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from pipeline.io.security.api_keys import create_key, revoke_key\n"
        "for _ in range(10):\n"
        "    now = datetime.now(UTC)\n"
        "    key, _ = create_key(Path(sys.argv[1]), name='one', scopes=['predict'], days=None, now=now)\n"
        "    revoke_key(Path(sys.argv[1]), key.id, now=now)\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=Path(__file__).parents[3])
        for _ in range(2)
    ]

    assert [child.wait() for child in children] == [0, 0]
    assert [bool(key.revoked) for key in api_keys.list_keys(path)] == [True] * 20


def test_a_killed_writer_leaves_a_valid_file(path: Path) -> None:
    _, secret = create(path)
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from pipeline.io.security.api_keys import create_key, revoke_key\n"
        "print(flush=True)\n"
        "while True:\n"
        "    now = datetime.now(UTC)\n"
        "    create_key(Path(sys.argv[1]), name='one', scopes=['predict'], days=None, now=now)\n"
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

    assert KeyStore(path).check(secret, "predict", now=NOW).rejection == ""
    create(path)
    assert path.stat().st_mode & 0o777 == 0o600
