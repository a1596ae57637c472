"""API keys of the service: create, list and revoke them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from pipeline.base.config import Workspace
from pipeline.io import files
from pipeline.io.security import api_keys
from pipeline.io.security.api_keys import ApiKey


class KeyRecord(TypedDict):
    """A key without its hash; `key` is the secret, present only when it is created."""

    id: str
    name: str
    scopes: Sequence[str]
    created: str
    expires: str
    revoked: str
    key: NotRequired[str]


def new_key(workspace: Workspace, *, name: str, scopes: Sequence[str], days: int | None) -> KeyRecord:
    """Create a key and return it with its secret, which is not stored; `days` until it expires, or never."""
    key, secret = api_keys.create_key(
        workspace.keys, name=name, scopes=scopes, days=days, now=datetime.now(UTC)
    )
    return {**_record(key), "key": secret}


def make_local_key(workspace: Workspace, path: Path) -> Path:
    """Create a key of all scopes for clients on this machine, and write it to a private file."""
    key = new_key(workspace, name="local", scopes=api_keys.SCOPES, days=None)
    files.write_bytes(path, f"{key['key']}\n".encode(), private=True)
    return path


def list_keys(workspace: Workspace) -> list[KeyRecord]:
    """Return every key, without secrets."""
    return [_record(key) for key in api_keys.list_keys(workspace.keys)]


def revoke_key(workspace: Workspace, key_id: str) -> KeyRecord:
    """Revoke a key; raise UsageError for an unknown id."""
    return _record(api_keys.revoke_key(workspace.keys, key_id, now=datetime.now(UTC)))


def _record(key: ApiKey) -> KeyRecord:
    return cast(KeyRecord, key.as_dict())
