"""Pushes that failed: they are kept until one succeeds."""

from pathlib import Path
from typing import TypedDict

from pipeline.io import files


class PendingPush(TypedDict):
    """Say since when (UTC) a remote lacks data versions, and why the last push failed."""

    since: str
    reason: str


def read_pending(root: Path) -> dict[str, PendingPush]:
    """Return the pushes that failed, by the name of the remote."""
    try:
        return dict(files.read_json(_path(root)))
    except (OSError, ValueError, TypeError):
        # A damaged note is as good as none: the next run pushes again.
        return {}


def keep_pending(root: Path, name: str, reason: str, *, time: str) -> None:
    """Note that a push failed; the time of the first failure stays."""
    pending = read_pending(root)
    since = pending[name]["since"] if name in pending else time
    files.write_json(_path(root), {**pending, name: PendingPush(since=since, reason=reason)})


def clear_pending(root: Path, name: str) -> None:
    """Note that a push succeeded."""
    pending = read_pending(root)
    if pending.pop(name, None) is not None:
        files.write_json(_path(root), pending)


def _path(root: Path) -> Path:
    return root / ".tonewatch" / "pushes.json"
