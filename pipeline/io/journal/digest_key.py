"""The secret of a workspace under which texts are hashed: without it nobody finds a text by trying."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from pipeline.base.errors import Fault
from pipeline.io.security.secret_files import link_new

KEY_BYTES = 32


def read_digest_key(path: Path) -> bytes:
    """Read the key; the first call creates it, and of concurrent ones one wins.

    Raises Fault for a file that is no key.
    """
    if not path.exists():
        _create(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise Fault(
            f"{path} is no key of {KEY_BYTES} bytes. Restore it, or remove it: texts stored so far then look "
            "different from equal ones that come."
        )
    with contextlib.suppress(OSError):  # of somebody else, or on a read-only file system
        path.chmod(0o600)
    return key


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        link_new(Path(name), path)
    finally:
        Path(name).unlink(missing_ok=True)
