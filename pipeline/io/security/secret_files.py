"""Secrets in files that only their owner, or the group of a shared workspace, can read."""

import os
import secrets
import tempfile
from pathlib import Path

from pipeline.base.errors import Fault
from pipeline.io.file_access import denied, exposure, keep_access, make_private

SECRET_BYTES = 32


def read_or_make_secret(path: Path) -> str:
    """Return the secret in a file; the first call makes it, and concurrent calls agree on one.

    Raises Fault where others can read the file, this user may not, or it is empty.
    """
    try:
        if not path.exists():
            if not path.parent.exists():
                make_private(path.parent)
            make_secret(path, f"{secrets.token_urlsafe(SECRET_BYTES)}\n".encode())
        share_secret(path)
        message, action = exposure(path)
        secret = path.read_text("utf-8").strip()
    except PermissionError:
        raise denied(path) from None
    if message:
        raise Fault(f"{message}. {action}")
    if not secret:
        raise Fault(f"{path} is empty. Remove it, then type the same again: a new secret is made.")
    return secret


def make_secret(path: Path, content: bytes) -> None:
    """Write a secret to a new file; where another process was first, its secret stays."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner only
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        keep_access(Path(name))
        link_new(Path(name), path)
    finally:
        Path(name).unlink(missing_ok=True)


def share_secret(path: Path) -> None:
    """Share a secret that earlier versions kept from the group of a shared workspace."""
    if not exposure(path)[0]:
        keep_access(path)


def link_new(written: Path, path: Path) -> None:
    """Give a file its name where no file has that name yet; on a file system without links, move it there."""
    try:
        os.link(written, path)
    except FileExistsError:  # another process was first
        return
    except OSError:
        if not path.exists():
            written.rename(path)
