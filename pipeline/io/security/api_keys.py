"""API keys: a file of hashes, read again whenever it changes, so that a revoked key is dead at the next request.

A key is shown once, when it is made: `tw_<id>_<secret>`, the secret 256 random bits. Kept is its HMAC-SHA256 under a key of the file's
own. Who can read the file can forge nothing, and who can write it could do anything: so it must be its owner's alone.
"""

import hashlib
import hmac
import json
import re
import secrets
import stat
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pipeline.base.errors import Fault, UsageError
from pipeline.io import files, locks

Scope = Literal["predict", "feedback", "admin"]
SCOPES: tuple[Scope, ...] = ("predict", "feedback", "admin")
PREFIX = "tw"
LEEWAY = timedelta(seconds=60)  # clocks of two machines differ
SECOND = "%Y-%m-%dT%H:%M:%SZ"
OTHERS = 0o077
NAME_LENGTH = 100
LONGEST = 200  # characters; no key of ours has as many, and hashing costs by length
HASH = re.compile(r"[0-9a-f]{64}")
SALT_BYTES = 32


@dataclass(frozen=True)
class ApiKey:
    """Hold what is known of a key; its secret is not. `expires` and `revoked` are UTC times, empty where it is neither."""

    id: str
    name: str
    hash: str
    scopes: tuple[str, ...]
    created: str
    expires: str
    revoked: str

    def as_dict(self) -> dict[str, Any]:
        """Give plain values without the hash."""
        return {name: value for name, value in asdict(self).items() if name != "hash"}


@dataclass(frozen=True)
class KeyCheck:
    """Say whose key it is, or why it is refused: missing, unknown, expired, revoked or scope."""

    client: str = ""
    refused: str = ""
    scopes: tuple[str, ...] = ()


def create_key(
    path: Path, *, name: str, scopes: Sequence[str], days: int | None, now: datetime
) -> tuple[ApiKey, str]:
    """Make a key, and give it with its secret, which cannot be shown again.

    Raises WrongUse for a scope that there is none of.
    """
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise UsageError(
            f"There is no scope {unknown[0]!r} (scopes: {', '.join(SCOPES)}). Type `--scope predict`."
        )
    if not scopes or not name.isprintable() or not name.strip() or len(name) > NAME_LENGTH:
        raise UsageError(
            f"A key needs a name of at most {NAME_LENGTH} characters and at least one scope. "
            "Type `tonewatch keys new --name NAME --scope predict`."
        )
    expires = _expiry(days, now)
    with locks.folder_lock(path):
        salt, keys = _read(path)
        number = next(
            number for _ in range(100) if (number := secrets.token_hex(4)) not in {key.id for key in keys}
        )
        told = f"{PREFIX}_{number}_{secrets.token_urlsafe(32)}"
        key = ApiKey(
            number,
            name,
            _hash(salt, told),
            tuple(dict.fromkeys(scopes)),
            now.astimezone(UTC).strftime(SECOND),
            expires,
            "",
        )
        _write(path, salt, [*keys, key])
    return key, told


def list_keys(path: Path) -> list[ApiKey]:
    """Give every key, the oldest first."""
    return _read(path)[1]


def revoke_key(path: Path, number: str, *, now: datetime) -> ApiKey:
    """Revoke a key; one that was revoked before keeps its time. Raises WrongUse for one that there is none of."""
    with locks.folder_lock(path):
        salt, keys = _read(path)
        found = next((key for key in keys if key.id == number), None)
        if found is None:
            raise UsageError(f"There is no key {number!r}. Look with `tonewatch keys list`.")
        dead = found if found.revoked else replace(found, revoked=now.astimezone(UTC).strftime(SECOND))
        _write(path, salt, [dead if key.id == number else key for key in keys])
    return dead


class KeyStore:
    """Check keys against the file as it is now; safe for many threads.

    A file that cannot be read refuses everybody: a damaged list of keys opens no door.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._met = path.exists()
        self._salt, self._keys = b"", dict[str, ApiKey]()
        self._guard = threading.Lock()

    def any(self) -> bool:
        """Say whether there is a file of keys, sound or not, or was one: then nobody is let in without a key."""
        # Once met it counts for good: removing the file must not open the door.
        self._met = self._met or self._path.exists()
        return self._met

    def usable(self, *, now: datetime) -> bool:
        """Say whether there is a key that still opens something; raises Fault or WrongUse where the file cannot be used."""
        return any(not key.revoked and not _expired(key, now) for key in list_keys(self._path))

    def check(self, told: str, scope: str, *, now: datetime) -> KeyCheck:
        """Say whose key this is, if it opens this scope now. Two keys take equally long, wherever they differ."""
        if not told:
            return KeyCheck(refused="missing")
        with self._guard:
            try:
                self._look()
            except (OSError, Fault, UsageError):
                return KeyCheck(refused="unknown")
            key = self._keys.get(told.split("_", 2)[1] if told.count("_") >= 2 else "")
            right = hmac.compare_digest(_hash(self._salt, told[:LONGEST]), key.hash if key else "0" * 64)
        if key is None or not right:
            return KeyCheck(refused="unknown")
        if key.revoked:
            return KeyCheck(key.id, "revoked")
        if _expired(key, now):
            return KeyCheck(key.id, "expired")
        return KeyCheck(key.id, "" if scope in key.scopes else "scope", key.scopes)

    def _look(self) -> None:
        found = self._path.stat()
        # The change time too: a file that was opened to others is as new as before.
        seen = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            self._seen = None
            self._salt, keys = _read(self._path)
            self._keys, self._seen = {key.id: key for key in keys}, seen


def _hash(salt: bytes, told: str) -> str:
    return hmac.new(salt, told.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _expiry(days: int | None, now: datetime) -> str:
    if days is None:
        return ""
    try:
        if days < 1:
            raise OverflowError
        return (now + timedelta(days=days)).astimezone(UTC).strftime(SECOND)
    except OverflowError:
        raise UsageError(
            f"A key cannot expire after {days} days. Type `--days 90`, or leave it out for a key that does not expire."
        ) from None


def _expired(key: ApiKey, now: datetime) -> bool:
    return bool(key.expires) and now.astimezone(UTC) > _time(key.expires) + LEEWAY


def _time(told: str) -> datetime:
    return datetime.strptime(told, SECOND).replace(tzinfo=UTC)


def _read(path: Path) -> tuple[bytes, list[ApiKey]]:
    if not path.exists():
        return secrets.token_bytes(SALT_BYTES), []
    mode = stat.S_IMODE(path.stat().st_mode)
    if path.is_file() and mode & OTHERS:
        raise UsageError(f"{path} can be read or written by others ({mode:03o}). Type `chmod 600 {path}`.")
    try:
        content = json.loads(path.read_bytes())
        salt, keys = bytes.fromhex(content["salt"]), [_key(values) for values in content["keys"]]
        if len(salt) != SALT_BYTES or len({key.id for key in keys}) != len(keys):
            raise ValueError("no salt, or two keys of one id")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Fault(
            f"{path} is damaged or cannot be read ({type(error).__name__}), so no key opens anything. Restore it, or move it aside and "
            "make new keys."
        ) from error
    return salt, keys


def _key(values: dict[str, Any]) -> ApiKey:
    key = ApiKey(**{**values, "scopes": tuple(values["scopes"])})
    plain = (key.id, key.name, key.hash, key.created, key.expires, key.revoked)
    if (
        not all(isinstance(value, str) for value in plain)
        or not HASH.fullmatch(key.hash)
        or not set(key.scopes) <= set(SCOPES)
    ):
        raise ValueError("no key")
    for time in (key.created, key.expires, key.revoked):
        if time:
            _time(time)
    return key


def _write(path: Path, salt: bytes, keys: Sequence[ApiKey]) -> None:
    files.write_bytes(
        path, files.json_bytes({"salt": salt.hex(), "keys": [asdict(key) for key in keys]}), mode=0o600
    )
