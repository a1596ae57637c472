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
DIGITS = 24


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
    training, _, _ = place.rpartition("/")
    folder = _copies() / f"{_digest(training)}-{_digest(place + receipt.decode('utf-8', 'replace'))}"
    with FileLock(folder.with_suffix(".lock")):
        if not is_whole(folder):
            fetch(place, folder)
        os.utime(folder)
    for other in folder.parent.glob(f"*-{'[0-9a-f]' * DIGITS}"):
        if _last_opened(other) < time.time() - COPY_HOURS * 3600:
            _delete(other)
    return folder


def delete_copies(training: str) -> None:
    """Delete what this machine holds of the shards of a training, given by its folder in the store."""
    for folder in _copies().glob(f"{_digest(training)}-{'[0-9a-f]' * DIGITS}"):
        _delete(folder)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:DIGITS]


def _last_opened(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # another process deleted it
        return time.time()


def _delete(folder: Path) -> None:
    from filelock import FileLock, Timeout

    # Whoever holds the lock has use for it now.
    with contextlib.suppress(Timeout), FileLock(folder.with_suffix(".lock"), timeout=0):
        shutil.rmtree(folder, ignore_errors=True)


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
