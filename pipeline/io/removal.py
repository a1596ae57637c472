"""Things that nothing in use needs: what they are, how large, and how they are removed."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Removal:
    """One thing to remove: its kind, its name, its size in bytes."""

    kind: str
    name: str
    bytes: int
    act: Callable[[], object] = field(compare=False, repr=False)

    @classmethod
    def of_path(cls, kind: str, path: Path, root: Path) -> "Removal":
        """Return the removal of a file or folder, named by its path within `root`."""
        return cls(kind, str(path.relative_to(root)), size_of(path), lambda: remove_path(path))


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; links count nothing."""
    paths = path.rglob("*") if path.is_dir() and not path.is_symlink() else (path,)
    return sum(one.stat().st_size for one in paths if one.is_file() and not one.is_symlink())


def remove_path(path: Path) -> None:
    """Remove a file or a folder; a folder that is removed half has the name of a killed writer's staging."""
    if path.is_dir() and not path.is_symlink():
        removed = path
        if ".staging-" not in path.name:
            removed = path.with_name(f".{path.name}.staging-removed")
            shutil.rmtree(removed, ignore_errors=True)
            path.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
