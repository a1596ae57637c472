"""Who may ask the service: API keys, made, listed and revoked."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.base.config import Workspace
from pipeline.io.security import api_keys


def new_key(workspace: Workspace, *, name: str, scopes: Sequence[str], days: int | None) -> dict[str, Any]:
    """Make a key; its secret stands under `key` and is shown this once."""
    made, told = api_keys.create_key(
        workspace.keys, name=name, scopes=scopes, days=days, now=datetime.now(UTC)
    )
    return {**made.as_dict(), "key": told}


def list_keys(workspace: Workspace) -> list[dict[str, Any]]:
    """Give every key without its secret."""
    return [key.as_dict() for key in api_keys.list_keys(workspace.keys)]


def revoke_key(workspace: Workspace, number: str) -> dict[str, Any]:
    """Revoke a key by its id."""
    return api_keys.revoke_key(workspace.keys, number, now=datetime.now(UTC)).as_dict()
