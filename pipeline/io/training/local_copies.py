"""This machine's copies of tokenized texts on a store: fetched once, and gone a day after their use."""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from pipeline.base.errors import Fault, TonewatchError
from pipeline.io import files
from pipeline.io.training.stores import fetch, read_receipt

# A copy that was not opened for so long is of a training that ended.
COPY_HOURS = 24


def is_whole(folder: Path) -> bool:
    """Return whether every file of a folder has the digest that was written last."""
    try:
        expected = files.read_json(folder / files.RECEIPT)
        files.verify_folder(folder, dict(expected))
    except (TonewatchError, OSError, ValueError, TypeError):
        return False
    return True


def local_copy(place: str) -> Path:
    """Return the folder of shards on this machine; those of a store are fetched once, whole or not at all.

    Copies that nobody opened for COPY_HOURS are deleted. Raises Fault where the shards are not in the store,
    or where the folder of copies is somebody else's.
    """
    if "://" not in place:
        return Path(place)
    from filelock import FileLock

    receipt = read_receipt(place)
    if receipt is None:
        raise Fault(f"{place} holds no whole texts. Type `tonewatch run` again: it writes them anew.")
    name = hashlib.sha256(place.encode() + receipt).hexdigest()[:32]
    folder = _copies() / name
    with FileLock(folder.with_suffix(".lock")):
        if not is_whole(folder):
            fetch(place, folder)
        os.utime(folder)
    for other in folder.parent.iterdir():
        # Another process may delete it at the same time.
        with contextlib.suppress(FileNotFoundError):
            if other.stat().st_mtime < time.time() - COPY_HOURS * 3600:
                shutil.rmtree(other, ignore_errors=True) if other.is_dir() else other.unlink()
    return folder


def delete_copies() -> None:
    """Delete what this machine holds of the shards of stores."""
    shutil.rmtree(_copies(), ignore_errors=True)


def _copies() -> Path:
    """Return the folder of the copies, which nobody else can read or has made."""
    folder = Path(tempfile.gettempdir()) / f"tonewatch-tokens-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Fault(
            f"{folder} is not a folder of yours alone, and what is in it cannot be trusted. Remove it, or "
            "set TMPDIR to a folder of your own, then type the same again."
        )
    return folder
