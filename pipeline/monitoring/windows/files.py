"""The window reports on disk: one file for each window, named by its start."""

import functools
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.documents import WindowReport, upgrade_window
from pipeline.base.times import is_future
from pipeline.io import files

CACHED_WINDOWS = 4096


def window_paths(workspace: Workspace) -> list[Path]:
    """List the files of all windows, the oldest first."""
    return sorted(workspace.windows.glob("2*.json"))


def read_windows(workspace: Workspace) -> Iterator[WindowReport]:
    """Yield all window reports, the oldest first; none is kept in memory."""
    for path in window_paths(workspace):
        yield load_window(path)


def read_series(workspace: Workspace) -> list[WindowReport]:
    """Read all window reports, the oldest first, without what only pages show: quality and drift."""
    return [
        {
            **window,
            "topics": {
                topic: {**report, "observed": None, "estimated": None, "drift": None}
                for topic, report in window["topics"].items()
            },
        }
        for window in read_windows(workspace)
    ]


def read_newest_windows(
    workspace: Workspace, number: int, *, before: str | None = None
) -> list[WindowReport]:
    """Read at most so many of the newest window reports, the oldest first; `before` is the name of a window.

    Only windows before that one are read then.
    """
    paths = [path for path in window_paths(workspace) if before is None or path.stem < before]
    return [read_window(path) for path in paths[-number:]]


def load_window(path: Path) -> WindowReport:
    """Read one window report as `read_window` does, but do not keep it in memory."""
    return upgrade_window(files.read_json(path))


def read_window(path: Path) -> WindowReport:
    """Read one window report, whichever version wrote it; a file that has not changed is parsed once.

    Raises OSError, KeyError, TypeError, ValueError or AttributeError where it is no window report.
    """
    return _read(path, path.stat().st_mtime_ns)


def set_aside_future(workspace: Workspace, *, now: datetime) -> list[str]:
    """Move the reports of windows that have not ended yet into `future/`, and return their names.

    A clock that was ahead wrote them; the next window would wait until their time has come.
    """
    names = []
    for path in reversed(window_paths(workspace)):
        if not is_future(read_window(path)["window"]["end"], now=now):
            break
        aside = path.parent / "future" / path.name
        aside.parent.mkdir(exist_ok=True)
        path.replace(aside)
        names.append(path.stem)
    if names:
        logs.get("watch").warning("windows.set_aside", windows=len(names), newest=names[0])
    return sorted(names)


@functools.lru_cache(maxsize=CACHED_WINDOWS)
def _read(path: Path, _modified: int) -> WindowReport:
    return load_window(path)
