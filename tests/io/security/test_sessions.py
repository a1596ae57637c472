"""Sessions of the dashboard: they start with a key, end with it, and their files sign nobody in."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.io.security import api_keys
from pipeline.io.security.sessions import MAX_SESSIONS, Session, SessionStore, csrf_token

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api_keys.json"


@pytest.fixture
def sessions(tmp_path: Path, path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions", path, minutes=30)


def create_key(path: Path, *scopes: str, days: int | None = None) -> tuple[str, str]:
    key, secret = api_keys.create_key(path, name="ada", scopes=scopes, days=days, now=NOW)
    return key.id, secret


def test_a_session_carries_its_key_and_scopes(sessions: SessionStore, path: Path) -> None:
    number, secret = create_key(path, "predict", "admin")

    cookie = sessions.open(secret, now=NOW)

    assert cookie is not None
    session = sessions.find(cookie, now=NOW)
    assert session == Session(number, "ada", ("predict", "admin"), csrf_token(cookie))
    assert (session.is_admin, session.can_predict) == (True, True)


@pytest.mark.parametrize(
    ("scope", "is_admin", "can_predict"),
    [("predict", False, True), ("feedback", False, False), ("admin", True, True)],
)
def test_each_scope_starts_a_session_with_its_rights(
    sessions: SessionStore, path: Path, scope: str, is_admin: bool, can_predict: bool
) -> None:
    cookie = sessions.open(create_key(path, scope)[1], now=NOW)

    session = sessions.find(str(cookie), now=NOW)

    assert session is not None
    assert (session.is_admin, session.can_predict) == (is_admin, can_predict)


@pytest.mark.parametrize("secret", ["", "tw_00000000_x", "nonsense", "tw__", "ü" * 50])
def test_an_invalid_key_starts_no_session(sessions: SessionStore, path: Path, secret: str) -> None:
    create_key(path, "admin")

    assert sessions.open(secret, now=NOW) is None


def test_without_keys_nobody_can_sign_in(sessions: SessionStore) -> None:
    assert not sessions.has_keys()
    assert sessions.open("tw_00000000_x", now=NOW) is None


def test_a_session_ends_after_its_minutes(sessions: SessionStore, path: Path) -> None:
    cookie = str(sessions.open(create_key(path, "admin")[1], now=NOW))

    assert sessions.find(cookie, now=NOW + timedelta(minutes=29)) is not None
    assert sessions.find(cookie, now=NOW + timedelta(minutes=30)) is None


def test_a_session_ends_with_its_key_at_once(sessions: SessionStore, path: Path) -> None:
    number, secret = create_key(path, "admin")
    cookie = str(sessions.open(secret, now=NOW))

    api_keys.revoke_key(path, number, now=NOW)

    assert sessions.find(cookie, now=NOW) is None
    assert sessions.open(secret, now=NOW) is None


def test_a_session_ends_when_its_key_expires(sessions: SessionStore, path: Path) -> None:
    cookie = str(
        sessions.open(create_key(path, "admin", days=1)[1], now=NOW + timedelta(hours=23, minutes=50))
    )

    assert sessions.find(cookie, now=NOW + timedelta(hours=23, minutes=59)) is not None
    assert sessions.find(cookie, now=NOW + timedelta(hours=24, minutes=1)) is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"salt": "", "keys": 3}', b"[]"])
def test_a_damaged_list_of_keys_ends_every_session(
    sessions: SessionStore, path: Path, content: bytes
) -> None:
    cookie = str(sessions.open(create_key(path, "admin")[1], now=NOW))

    path.write_bytes(content)

    assert sessions.has_keys()
    assert sessions.find(cookie, now=NOW) is None


def test_the_files_of_sessions_sign_nobody_in(sessions: SessionStore, path: Path, tmp_path: Path) -> None:
    _, secret = create_key(path, "admin")
    cookie = str(sessions.open(secret, now=NOW))

    (file,) = (tmp_path / "sessions").glob("*.json")

    assert file.stat().st_mode & 0o077 == 0
    assert cookie not in file.name + file.read_text()
    # What follows the id; it may hold a "_" itself.
    assert secret.split("_", 2)[2] not in file.read_text()
    assert sessions.find(file.stem, now=NOW) is None


def test_closing_a_session_ends_it_in_every_process(
    sessions: SessionStore, path: Path, tmp_path: Path
) -> None:
    cookie = str(sessions.open(create_key(path, "admin")[1], now=NOW))

    SessionStore(tmp_path / "sessions", path, minutes=30).close(cookie)

    assert sessions.find(cookie, now=NOW) is None
    sessions.close(cookie)


def test_ended_and_surplus_sessions_of_a_key_are_deleted(
    sessions: SessionStore, path: Path, tmp_path: Path
) -> None:
    key, secret = create_key(path, "admin")
    folder = tmp_path / "sessions"
    first = str(sessions.open(secret, now=NOW - timedelta(days=1)))
    (folder / "junk.json").write_text("{")
    for number in range(MAX_SESSIONS + 5):
        (folder / f"{number:064d}.json").write_text(
            json.dumps({"key": key, "until": f"2026-11-25T09:{number % 60:02d}:00Z"})
        )

    last = str(sessions.open(secret, now=NOW))

    assert len(list(folder.glob("*.json"))) == MAX_SESSIONS
    assert sessions.find(first, now=NOW - timedelta(days=1)) is None
    assert sessions.find(last, now=NOW) is not None


@pytest.mark.attack("A3")
def test_a_key_that_signs_in_without_end_ends_no_session_of_another(
    sessions: SessionStore, path: Path, tmp_path: Path
) -> None:
    (_, admin), (_, reader) = create_key(path, "admin"), create_key(path, "predict")
    victim = str(sessions.open(admin, now=NOW))

    flood = [str(sessions.open(reader, now=NOW + timedelta(seconds=n))) for n in range(MAX_SESSIONS + 20)]

    later = NOW + timedelta(minutes=5)
    assert sessions.find(victim, now=later) is not None
    assert [bool(sessions.find(one, now=later)) for one in flood] == [False] * 20 + [True] * MAX_SESSIONS


def test_two_workspaces_on_one_host_have_cookies_of_their_own(tmp_path: Path, path: Path) -> None:
    names = {SessionStore(tmp_path, path, minutes=30, workspace_id=one * 8).cookie_name for one in "abcd"}

    assert len(names) == 4
    assert all(re.fullmatch(r"tonewatch-[a-d]{8}", name) for name in names)


@given(cookie=st.text(max_size=200))
def test_no_other_cookie_is_a_session(tmp_path_factory: pytest.TempPathFactory, cookie: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "unknown_cookies"
    store = SessionStore(folder / "sessions", folder / "api_keys.json", minutes=30)

    assert store.find(cookie, now=NOW) is None
    store.close(cookie)


def test_csrf_tokens_differ_and_hide_the_cookie() -> None:
    assert len({csrf_token("a"), csrf_token("b"), csrf_token("")}) == 3
    assert "a" * 43 not in csrf_token("a" * 43)
