"""Secrets in files that only their owner can read, made at their first use."""

import os
import secrets
import stat
import tempfile
from pathlib import Path

from pipeline.base.errors import Fault

SECRET_BYTES = 32


def read_or_make_secret(path: Path) -> str:
    """Return the secret in a file; the first call makes it, and concurrent calls agree on one.

    Raises Fault where others can read the file, or it is empty.
    """
    if not path.exists():
        _make(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Fault(f"{path} can be read by others ({mode:03o}). Type `chmod 600 {path}`.")
    secret = path.read_text("utf-8").strip()
    if not secret:
        raise Fault(f"{path} is empty. Remove it, then type the same again: a new secret is made.")
    return secret


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner only
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        link_new(Path(name), path)
    finally:
        Path(name).unlink(missing_ok=True)


def link_new(written: Path, path: Path) -> None:
    """Give a file its name where no file has that name yet; on a file system without links, move it there."""
    try:
        os.link(written, path)
    except FileExistsError:  # another process was first
        return
    except OSError:
        if not path.exists():
            written.rename(path)
