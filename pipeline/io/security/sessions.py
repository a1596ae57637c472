"""Who is signed in at the dashboard: a file for each session, named by the hash of what only the browser knows.

A session stands for a key and dies with it. Kept in files, it holds for every process that serves, and nobody who reads them can
sign in with one.
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.base.errors import TonewatchError
from pipeline.io import files
from pipeline.io.security import api_keys

SECOND = "%Y-%m-%dT%H:%M:%SZ"
OPEN_AT_ONCE = 200  # of all keys together; the oldest give way
LONGEST = 100  # characters of what a browser may send as its session


@dataclass(frozen=True)
class Session:
    """Hold whose key a session stands for, what that opens, and the token that this session's forms carry."""

    key: str
    name: str
    scopes: tuple[str, ...]
    token: str

    @property
    def admin(self) -> bool:
        """Say whether it may move the champion."""
        return "admin" in self.scopes

    @property
    def may_ask(self) -> bool:
        """Say whether it may have texts answered."""
        return "predict" in self.scopes or self.admin


class SessionStore:
    """Open, find and close the sessions of one workspace; safe for many threads and processes."""

    def __init__(self, folder: Path, path: Path, *, minutes: int) -> None:
        self._folder = folder
        self._path = path
        self._life = timedelta(minutes=minutes)
        self._keys = api_keys.KeyStore(path)

    def guarded(self) -> bool:
        """Say whether there are keys at all; without, the service answers this machine alone, and nobody can sign in."""
        return self._keys.any()

    def open(self, told: str, *, now: datetime) -> str | None:
        """Give a new session for a sound key of any scope; None for any other."""
        checked = self._keys.check(told, "admin", now=now)
        if checked.refused not in ("", "scope"):
            return None
        self._sweep(now)
        cookie = secrets.token_urlsafe(32)
        content = {"key": checked.client, "until": (now + self._life).astimezone(UTC).strftime(SECOND)}
        files.write_bytes(self._file(cookie), files.json_bytes(content), mode=0o600)
        return cookie

    def find(self, cookie: str, *, now: datetime) -> Session | None:
        """Give a session that still stands, its key looked at anew; None when either has ended."""
        if not cookie or len(cookie) > LONGEST:
            return None
        try:
            content = json.loads(self._file(cookie).read_text("utf-8"))
            until = datetime.strptime(content["until"], SECOND).replace(tzinfo=UTC)
            key = next((key for key in api_keys.list_keys(self._path) if key.id == content["key"]), None)
        except (OSError, ValueError, KeyError, TypeError, TonewatchError):
            # A damaged list of keys opens no door.
            return None
        if (
            key is None
            or key.revoked
            or now >= until
            or (key.expires and key.expires < now.astimezone(UTC).strftime(SECOND))
        ):
            return None
        return Session(key.id, key.name, key.scopes, form_token(cookie))

    def close(self, cookie: str) -> None:
        """End a session; one that is none is no fault."""
        if cookie and len(cookie) <= LONGEST:
            self._file(cookie).unlink(missing_ok=True)

    def _file(self, cookie: str) -> Path:
        return self._folder / f"{hashlib.sha256(cookie.encode('utf-8', 'replace')).hexdigest()}.json"

    def _sweep(self, now: datetime) -> None:
        """Remove what has ended, and the oldest of too many."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                found.append((json.loads(path.read_text("utf-8"))["until"], path))
            except (OSError, ValueError, KeyError, TypeError):
                found.append(("", path))
        present = now.astimezone(UTC).strftime(SECOND)
        ended = [path for until, path in found if until <= present]
        over = [path for _, path in sorted(found, reverse=True)[OPEN_AT_ONCE - 1 :]]
        for path in {*ended, *over}:
            path.unlink(missing_ok=True)


def form_token(cookie: str) -> str:
    """Give the token of a session's forms: whoever cannot read the cookie cannot make it, and it does not tell the cookie."""
    return hmac.new(cookie.encode("utf-8", "replace"), b"form", hashlib.sha256).hexdigest()
