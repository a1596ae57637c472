"""API keys: a file of hashes that is read again when it changes, so that revoking a key works at once.

A key `tw_<id>_<secret>` is shown once, when it is created; its secret has 256 random bits. The file stores
its HMAC-SHA256 under a salt of the file. Whoever can write the file can add keys, so only its owner may,
or the group of a shared workspace.
"""

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pipeline.base import times
from pipeline.base.errors import Fault, UsageError
from pipeline.io import files, locks
from pipeline.io.file_access import denied, exposure

Scope = Literal["predict", "feedback", "label", "admin"]
SCOPES: tuple[Scope, ...] = ("predict", "feedback", "label", "admin")
PREFIX = "tw"
CLOCK_SKEW = timedelta(seconds=60)
MAX_NAME = 100  # characters
MAX_SECRET = 200  # characters that are hashed; our keys are shorter
HASH = re.compile(r"[0-9a-f]{64}")
SALT_BYTES = 32


@dataclass(frozen=True)
class ApiKey:
    """Hold what is stored of a key. `expires` and `revoked` are UTC times, empty where they do not apply."""

    id: str
    name: str
    hash: str
    scopes: tuple[str, ...]
    created: str
    expires: str
    revoked: str

    def as_dict(self) -> dict[str, Any]:
        """Return all fields but the hash."""
        return {name: value for name, value in asdict(self).items() if name != "hash"}


@dataclass(frozen=True)
class KeyCheck:
    """Hold the id of a checked key, and why it is rejected: missing, unknown, expired, revoked or scope."""

    client: str = ""
    rejection: str = ""


def create_key(
    path: Path, *, name: str, scopes: Sequence[str], days: int | None, now: datetime
) -> tuple[ApiKey, str]:
    """Create a key and return it with its secret, which cannot be shown again; `days` until it expires.

    Raises UsageError for an unknown scope or a bad name.
    """
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise UsageError(
            f"There is no scope {unknown[0]!r} (scopes: {', '.join(SCOPES)}). Type `--scope predict`."
        )
    if not scopes or not name.isprintable() or not name.strip() or len(name) > MAX_NAME:
        raise UsageError(
            f"A key needs a name of at most {MAX_NAME} characters and at least one scope. "
            "Type `tonewatch keys new --name NAME --scope predict`."
        )
    expires = _expiry(days, now)
    with locks.folder_lock(path):
        salt, keys = _read(path)
        used = {key.id for key in keys}
        key_id = next(number for _ in range(100) if (number := secrets.token_hex(4)) not in used)
        secret = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
        key = ApiKey(
            id=key_id,
            name=name,
            hash=_hash(salt, secret),
            scopes=tuple(dict.fromkeys(scopes)),
            created=times.format_seconds(now),
            expires=expires,
            revoked="",
        )
        _write(path, salt, [*keys, key])
    return key, secret


def list_keys(path: Path) -> list[ApiKey]:
    """Return every key, oldest first."""
    return _read(path)[1]


def revoke_key(path: Path, key_id: str, *, now: datetime) -> ApiKey:
    """Revoke a key; a second time changes nothing. Raises UsageError for an unknown id."""
    with locks.folder_lock(path):
        salt, keys = _read(path)
        key = next((key for key in keys if key.id == key_id), None)
        if key is None:
            raise UsageError(f"There is no key {key_id!r}. Type `tonewatch keys list`.")
        revoked = key if key.revoked else replace(key, revoked=times.format_seconds(now))
        _write(path, salt, [revoked if one.id == key_id else one for one in keys])
    return revoked


class KeyStore:
    """Check keys against the current file; safe for many threads. An unreadable file rejects every key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: tuple[int, ...] | None = None
        self._existed = path.exists()
        self._salt, self._keys = b"", dict[str, ApiKey]()
        self._lock = threading.Lock()

    def any(self) -> bool:
        """Return whether the file of keys exists, valid or not, or existed since this store was created."""
        # Deleting the file must not open the service to everybody.
        self._existed = self._existed or self._path.exists()
        return self._existed

    def usable(self, *, now: datetime) -> bool:
        """Return whether a key is valid now; raises Fault or UsageError for an unusable file."""
        return any(not key.revoked and not _expired(key, now) for key in list_keys(self._path))

    def find(self, key_id: str) -> ApiKey | None:
        """Return a key by its id; raises Fault or UsageError for an unusable file."""
        return next((key for key in list_keys(self._path) if key.id == key_id), None)

    def check(self, secret: str, scope: str, *, now: datetime) -> KeyCheck:
        """Check a secret for a scope, in a time that does not depend on where the secret is wrong."""
        if not secret:
            return KeyCheck(rejection="missing")
        with self._lock:
            try:
                self._reload()
            except (OSError, Fault, UsageError):
                return KeyCheck(rejection="unknown")
            key = self._keys.get(secret.split("_", 2)[1] if secret.count("_") >= 2 else "")
            expected = key.hash if key else "0" * 64
            matches = hmac.compare_digest(_hash(self._salt, secret[:MAX_SECRET]), expected)
        if key is None or not matches:
            return KeyCheck(rejection="unknown")
        if key.revoked:
            return KeyCheck(key.id, "revoked")
        if _expired(key, now):
            return KeyCheck(key.id, "expired")
        return KeyCheck(key.id, "" if scope in key.scopes else "scope")

    def _reload(self) -> None:
        stat = self._path.stat()
        # The change time too: opening the file to others does not change its modification time.
        version = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        if version != self._version:
            self._version = None
            self._salt, keys = _read(self._path)
            self._keys, self._version = {key.id: key for key in keys}, version


def _hash(salt: bytes, secret: str) -> str:
    return hmac.new(salt, secret.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _expiry(days: int | None, now: datetime) -> str:
    if days is None:
        return ""
    try:
        if days < 1:
            raise OverflowError
        return times.format_seconds(now + timedelta(days=days))
    except OverflowError:
        raise UsageError(
            f"A key cannot expire after {days} days. Type `--days 90`, or omit it for no expiry."
        ) from None


def _expired(key: ApiKey, now: datetime) -> bool:
    return bool(key.expires) and now > times.parse_time(key.expires) + CLOCK_SKEW


def _read(path: Path) -> tuple[bytes, list[ApiKey]]:
    try:
        if not path.exists():
            return secrets.token_bytes(SALT_BYTES), []
        message, action = exposure(path) if path.is_file() else ("", "")
        if message:
            raise UsageError(f"{message}. {action}")
        content = json.loads(path.read_bytes())
        salt, keys = bytes.fromhex(content["salt"]), [_key(values) for values in content["keys"]]
        if len(salt) != SALT_BYTES or len({key.id for key in keys}) != len(keys):
            raise ValueError("no salt, or two keys with one id")
    except PermissionError:
        raise denied(path) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Fault(
            f"{path} is damaged or unreadable ({type(error).__name__}), so every key is rejected. "
            "Restore it, or move it away and create new keys."
        ) from error
    return salt, keys


def _key(values: dict[str, Any]) -> ApiKey:
    key = ApiKey(**{**values, "scopes": tuple(values["scopes"])})
    texts = (key.id, key.name, key.hash, key.created, key.expires, key.revoked)
    valid = all(isinstance(text, str) for text in texts) and set(key.scopes) <= set(SCOPES)
    if not valid or not HASH.fullmatch(key.hash):
        raise ValueError("not a key")
    for time in filter(None, (key.created, key.expires, key.revoked)):
        datetime.strptime(time, times.SECOND)
    return key


def _write(path: Path, salt: bytes, keys: Sequence[ApiKey]) -> None:
    document = {"salt": salt.hex(), "keys": [asdict(key) for key in keys]}
    files.write_bytes(path, files.json_bytes(document), private=True)
