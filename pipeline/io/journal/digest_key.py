"""The secret of a workspace under which texts are hashed: without it nobody finds a text by trying."""

import secrets
from pathlib import Path

from pipeline.base.errors import Fault
from pipeline.io.file_access import denied, keep_access
from pipeline.io.security.secret_files import make_secret

KEY_BYTES = 32


def read_digest_key(path: Path) -> bytes:
    """Read the key; the first call creates it, and of concurrent ones one wins.

    Raises Fault for a file that is no key, or that this user may not read.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            make_secret(path, secrets.token_bytes(KEY_BYTES))
        key = path.read_bytes()
    except PermissionError:
        raise denied(path) from None
    if len(key) != KEY_BYTES:
        raise Fault(
            f"{path} is no key of {KEY_BYTES} bytes. Restore it, or remove it: texts stored so far then look "
            "different from equal ones that come."
        )
    keep_access(path)
    return key
