"""Locks between processes, freed by the system when their holder dies: a workspace, a folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.base.errors import Fault, WorkspaceBusy

WAIT_SECONDS = 900
UNKNOWN_HOLDER = "unknown"


@contextlib.contextmanager
def workspace_lock(home: Path) -> Iterator[None]:
    """Lock a workspace for the block; `home` is its `.tonewatch` folder.

    Raises WorkspaceBusy with the number of the process that holds the lock.
    """
    home.mkdir(parents=True, exist_ok=True)
    message = (
        f"Process {{pid}} is working on {home.parent} already. "
        "Wait for it, or end it with `kill {pid}`, then type the same again."
    )
    with exclusive_lock(home / "run", message):
        yield


@contextlib.contextmanager
def exclusive_lock(place: Path, message: str) -> Iterator[None]:
    """Lock `place`.lock for the block, with the number of this process in `place`.pid.

    Raises WorkspaceBusy with `message`, in which `{pid}` stands for the process that holds the lock.
    """
    from filelock import FileLock, Timeout

    pid_file, lock = place.with_suffix(".pid"), FileLock(place.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise WorkspaceBusy(message.replace("{pid}", _read_pid(pid_file))) from None
    try:
        pid_file.write_text(f"{os.getpid()}\n", "utf-8")
        yield
    finally:
        pid_file.unlink(missing_ok=True)
        lock.release()


def lock_holder(home: Path) -> str | None:
    """Return the PID of the process that holds a workspace, as text; None when it is free."""
    from filelock import FileLock, Timeout

    if not home.is_dir():
        return None
    lock = FileLock(home / "run.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _read_pid(home / "run.pid")
    except OSError:
        return None  # a workspace that this user can only read
    lock.release()
    return None


@contextlib.contextmanager
def folder_lock(target: Path) -> Iterator[None]:
    """Wait to be the only process that writes a folder for the block; check again inside what is there.

    Raises Fault when that takes longer than WAIT_SECONDS.
    """
    from filelock import FileLock, Timeout

    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=WAIT_SECONDS)
    except Timeout:
        raise Fault(
            f"Another process has been writing {target} for {WAIT_SECONDS} s. "
            "End it, then type the same again."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _read_pid(path: Path) -> str:
    return path.read_text("utf-8").strip() if path.exists() else UNKNOWN_HOLDER
