"""Sessions of the dashboard: opened by a key, ended with it, and nothing on the disk that would open another."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.io.security import api_keys
from pipeline.io.security.sessions import OPEN_AT_ONCE, Session, SessionStore, form_token

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api_keys.json"


@pytest.fixture
def sessions(tmp_path: Path, path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions", path, minutes=30)


def made(path: Path, *scopes: str, days: int | None = None) -> tuple[str, str]:
    key, told = api_keys.create_key(path, name="ada", scopes=scopes, days=days, now=NOW)
    return key.id, told


def test_a_key_opens_a_session_that_knows_whose_it_is(sessions: SessionStore, path: Path) -> None:
    number, told = made(path, "predict", "admin")

    cookie = sessions.open(told, now=NOW)

    assert cookie is not None
    found = sessions.find(cookie, now=NOW)
    assert found == Session(number, "ada", ("predict", "admin"), form_token(cookie))
    assert (found.admin, found.may_ask) == (True, True)


@pytest.mark.parametrize(
    ("scope", "admin", "may_ask"),
    [("predict", False, True), ("feedback", False, False), ("admin", True, True)],
)
def test_a_key_of_any_scope_may_look_but_only_some_may_do(
    sessions: SessionStore, path: Path, scope: str, admin: bool, may_ask: bool
) -> None:
    cookie = sessions.open(made(path, scope)[1], now=NOW)

    found = sessions.find(str(cookie), now=NOW)

    assert found is not None
    assert (found.admin, found.may_ask) == (admin, may_ask)


@pytest.mark.parametrize("told", ["", "tw_00000000_x", "nonsense", "tw__", "ü" * 50])
def test_what_is_no_key_opens_nothing(sessions: SessionStore, path: Path, told: str) -> None:
    made(path, "admin")

    assert sessions.open(told, now=NOW) is None


def test_without_keys_nobody_can_sign_in(sessions: SessionStore) -> None:
    assert not sessions.guarded()
    assert sessions.open("tw_00000000_x", now=NOW) is None


def test_a_session_ends_after_its_minutes(sessions: SessionStore, path: Path) -> None:
    cookie = str(sessions.open(made(path, "admin")[1], now=NOW))

    assert sessions.find(cookie, now=NOW + timedelta(minutes=29)) is not None
    assert sessions.find(cookie, now=NOW + timedelta(minutes=30)) is None


def test_a_session_ends_with_its_key_at_once(sessions: SessionStore, path: Path) -> None:
    number, told = made(path, "admin")
    cookie = str(sessions.open(told, now=NOW))

    api_keys.revoke_key(path, number, now=NOW)

    assert sessions.find(cookie, now=NOW) is None
    assert sessions.open(told, now=NOW) is None


def test_a_session_does_not_outlive_a_key_that_expires(sessions: SessionStore, path: Path) -> None:
    cookie = str(sessions.open(made(path, "admin", days=1)[1], now=NOW + timedelta(hours=23, minutes=50)))

    assert sessions.find(cookie, now=NOW + timedelta(hours=23, minutes=59)) is not None
    assert sessions.find(cookie, now=NOW + timedelta(hours=24, minutes=1)) is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"salt": "", "keys": 3}', b"[]"])
def test_a_damaged_list_of_keys_opens_no_door(sessions: SessionStore, path: Path, content: bytes) -> None:
    cookie = str(sessions.open(made(path, "admin")[1], now=NOW))

    path.write_bytes(content)

    assert sessions.guarded()
    assert sessions.find(cookie, now=NOW) is None


def test_what_lies_on_the_disk_opens_nothing(sessions: SessionStore, path: Path, tmp_path: Path) -> None:
    _, told = made(path, "admin")
    cookie = str(sessions.open(told, now=NOW))

    (kept,) = (tmp_path / "sessions").glob("*.json")

    assert kept.stat().st_mode & 0o077 == 0
    assert cookie not in kept.name + kept.read_text()
    assert told.rpartition("_")[2] not in kept.read_text()
    assert sessions.find(kept.stem, now=NOW) is None


def test_signing_out_ends_it_everywhere(sessions: SessionStore, path: Path, tmp_path: Path) -> None:
    cookie = str(sessions.open(made(path, "admin")[1], now=NOW))

    SessionStore(tmp_path / "sessions", path, minutes=30).close(cookie)

    assert sessions.find(cookie, now=NOW) is None
    sessions.close(cookie)


def test_sessions_that_ended_or_are_too_many_are_swept_away(
    sessions: SessionStore, path: Path, tmp_path: Path
) -> None:
    _, told = made(path, "admin")
    folder = tmp_path / "sessions"
    first = str(sessions.open(told, now=NOW - timedelta(days=1)))
    (folder / "junk.json").write_text("{")
    for number in range(OPEN_AT_ONCE + 5):
        (folder / f"{number:064d}.json").write_text(
            json.dumps({"key": "x", "until": f"2026-11-25T09:{number % 60:02d}:00Z"})
        )

    last = str(sessions.open(told, now=NOW))

    assert len(list(folder.glob("*.json"))) == OPEN_AT_ONCE
    assert sessions.find(first, now=NOW - timedelta(days=1)) is None
    assert sessions.find(last, now=NOW) is not None


@given(cookie=st.text(max_size=200))
def test_no_other_cookie_is_a_session(tmp_path_factory: pytest.TempPathFactory, cookie: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "strangers"
    found = SessionStore(folder / "sessions", folder / "api_keys.json", minutes=30)

    assert found.find(cookie, now=NOW) is None
    found.close(cookie)


def test_tokens_tell_nothing_of_each_other() -> None:
    assert len({form_token("a"), form_token("b"), form_token("")}) == 3
    assert "a" * 43 not in form_token("a" * 43)
