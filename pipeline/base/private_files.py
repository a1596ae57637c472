"""Who may read the files of a workspace: its owner, and the group where the workspace is shared with it."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pipeline.base.config.workspace import Workspace

GROUP_WRITES = 0o020


def keep_private(workspace: Workspace) -> None:
    """Let this process create files for the owner only, and close folders with texts that others can read.

    A workspace whose folder its group may write is shared on purpose: there the group keeps its access.
    """
    closed = 0o077
    with contextlib.suppress(OSError):
        mode = workspace.root.stat().st_mode
        if mode & GROUP_WRITES:
            closed = 0o007
            os.umask(closed)
            # What is made in it gets its group, not the first group of whoever makes it.
            workspace.root.chmod(stat.S_IMODE(mode) | stat.S_ISGID)
    os.umask(closed)
    for folder in _folders(workspace):
        # Of somebody else, or on a read-only file system: then it stays as it is.
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(folder.stat().st_mode)
            if mode & closed:
                folder.chmod(mode & ~closed)


def _folders(workspace: Workspace) -> Iterator[Path]:
    """Yield the folders that hold texts, or a store that an earlier version left open."""
    yield workspace.home
    yield workspace.home / "dvc"  # made by DVC for everybody
    yield from (workspace.root / ".dvc" / name for name in ("cache", "tmp"))
    with contextlib.suppress(OSError):
        yield from (path for path in (workspace.root / "data").iterdir() if path.is_dir())
