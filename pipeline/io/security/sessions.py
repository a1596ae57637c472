"""Sessions of the dashboard: one file per session, named by the SHA-256 of its cookie.

A session belongs to an API key and ends with it. All processes that serve share the files, and nobody who
reads them can sign in with one.
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.base import times
from pipeline.base.digests import text_digest
from pipeline.base.errors import TonewatchError
from pipeline.io import files
from pipeline.io.security import api_keys

MAX_SESSIONS = 50  # of one key, so that no key ends the sessions of another; the oldest end first
MAX_COOKIE = 100  # characters
ID_DIGITS = 8


@dataclass(frozen=True)
class Session:
    """Hold the id, name and scopes of a session's API key, and the token that the session's forms carry."""

    key: str
    name: str
    scopes: tuple[str, ...]
    csrf_token: str

    @property
    def is_admin(self) -> bool:
        """Return whether the key may change the champion."""
        return "admin" in self.scopes

    @property
    def can_predict(self) -> bool:
        """Return whether the key may predict texts."""
        return "predict" in self.scopes or self.is_admin

    @property
    def can_label(self) -> bool:
        """Return whether the key may give audit labels, which move releases; a client's feedback may not."""
        return "label" in self.scopes or self.is_admin


class SessionStore:
    """Open, find and close the sessions of one workspace; safe for many threads and processes.

    `cookie_name` is the name of their cookie: browsers send the cookies of a host to all of its ports, so two
    workspaces on one host need two names.
    """

    def __init__(self, folder: Path, keys: Path, *, minutes: int, workspace_id: str = "") -> None:
        self._folder = folder
        self.cookie_name = "-".join(filter(None, ("tonewatch", workspace_id[:ID_DIGITS])))
        self._lifetime = timedelta(minutes=minutes)
        self._keys = api_keys.KeyStore(keys)

    def has_keys(self) -> bool:
        """Return whether any API key was ever created; without one nobody can sign in."""
        return self._keys.any()

    def open(self, secret: str, *, now: datetime) -> str | None:
        """Start a session for a valid key of any scope and return its cookie; None for an invalid key."""
        checked = self._keys.check(secret, "admin", now=now)
        if checked.rejection not in ("", "scope"):
            return None
        self._sweep(now, coming=checked.client)
        cookie = secrets.token_urlsafe(32)
        content = {"key": checked.client, "until": times.format_seconds(now + self._lifetime)}
        files.write_bytes(self._file(cookie), files.json_bytes(content), private=True)
        return cookie

    def find(self, cookie: str, *, now: datetime) -> Session | None:
        """Return the session of a cookie; None when the session or its key has ended."""
        if not cookie or len(cookie) > MAX_COOKIE:
            return None
        try:
            content = json.loads(self._file(cookie).read_text("utf-8"))
            until = times.parse_time(content["until"])
            key = self._keys.find(content["key"])
        except (OSError, ValueError, KeyError, TypeError, TonewatchError):
            # An unreadable list of keys admits nobody.
            return None
        present = times.format_seconds(now)
        if key is None or key.revoked or now >= until or (key.expires and key.expires < present):
            return None
        return Session(key.id, key.name, key.scopes, csrf_token(cookie))

    def close(self, cookie: str) -> None:
        """End the session of a cookie, if there is one."""
        if cookie and len(cookie) <= MAX_COOKIE:
            self._file(cookie).unlink(missing_ok=True)

    def _file(self, cookie: str) -> Path:
        return self._folder / f"{text_digest(cookie)}.json"

    def _sweep(self, now: datetime, *, coming: str) -> None:
        """Delete ended sessions, and the oldest ones of a key above the maximum, with one that is coming."""
        present = times.format_seconds(now)
        by_key: dict[str, list[tuple[str, Path]]] = {}
        for path in self._folder.glob("*.json"):
            try:
                content = json.loads(path.read_text("utf-8"))
                key, until = str(content["key"]), str(content["until"])
            except (OSError, ValueError, KeyError, TypeError):
                key, until = "", ""
            if until <= present:
                path.unlink(missing_ok=True)
            else:
                by_key.setdefault(key, []).append((until, path))
        for key, sessions in by_key.items():
            for _, path in sorted(sessions, reverse=True)[MAX_SESSIONS - (key == coming) :]:
                path.unlink(missing_ok=True)


def csrf_token(cookie: str) -> str:
    """Return the token of a session's forms: an HMAC under the cookie, which it does not reveal."""
    return hmac.new(cookie.encode("utf-8", "replace"), b"form", hashlib.sha256).hexdigest()
