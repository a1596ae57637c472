"""The window reports on disk: one file for each window, named by its start."""

import functools
from pathlib import Path

from pipeline.base.config import Workspace
from pipeline.base.documents import WindowReport, upgrade_window
from pipeline.io import files

CACHED_WINDOWS = 4096


def window_paths(workspace: Workspace) -> list[Path]:
    """List the files of all windows, the oldest first."""
    return sorted(workspace.windows.glob("2*.json"))


def read_windows(workspace: Workspace) -> list[WindowReport]:
    """Read all window reports, the oldest first."""
    return [read_window(path) for path in window_paths(workspace)]


def read_window(path: Path) -> WindowReport:
    """Read one window report, whichever version wrote it; a file that has not changed is parsed once.

    Raises OSError, KeyError, TypeError, ValueError or AttributeError where it is no window report.
    """
    return _read(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=CACHED_WINDOWS)
def _read(path: Path, _modified: int) -> WindowReport:
    return upgrade_window(files.read_json(path))
