"""One writer a workspace, and one writer a folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.base.errors import Fault, WorkspaceBusy

WAIT_SECONDS = 900


@contextlib.contextmanager
def workspace_lock(home: Path) -> Iterator[None]:
    """Hold the workspace; the system lets go of it when the process dies, however it dies.

    Raises RunGoingOn with the number of the process that holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    told = f"Process WHO is working on {home.parent} already. Wait for it, or end it with `kill WHO`, then type the same again."
    with exclusive_lock(home / "run", told):
        yield


@contextlib.contextmanager
def exclusive_lock(place: Path, told: str) -> Iterator[None]:
    """Hold `place`.lock, with this process's number beside it in `place`.pid.

    Raises RunGoingOn with what is `told`, in which the number of the process that holds it stands for WHO.
    """
    from filelock import FileLock, Timeout

    lock_holder, lock = place.with_suffix(".pid"), FileLock(place.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = lock_holder.read_text("utf-8").strip() if lock_holder.exists() else "unknown"
        raise WorkspaceBusy(told.replace("WHO", who)) from None
    try:
        lock_holder.write_text(f"{os.getpid()}\n", "utf-8")
        yield
    finally:
        lock_holder.unlink(missing_ok=True)
        lock.release()


def lock_holder(home: Path) -> str | None:
    """Name the process that holds the workspace; None when nobody does, whatever a killed one has left."""
    from filelock import FileLock, Timeout

    if not home.is_dir():
        return None
    lock = FileLock(home / "run.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        named = home / "run.pid"
        return named.read_text("utf-8").strip() if named.exists() else "unknown"
    lock.release()
    return None


@contextlib.contextmanager
def folder_lock(target: Path) -> Iterator[None]:
    """Be the only one who makes this folder, once whoever is at it has finished; look again at what is there by then.

    Raises Fault when that takes too long.
    """
    from filelock import FileLock, Timeout

    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=WAIT_SECONDS)
    except Timeout:
        raise Fault(
            f"Another process has been making {target} for {WAIT_SECONDS} s. End it, then type the same again."
        ) from None
    try:
        yield
    finally:
        lock.release()
