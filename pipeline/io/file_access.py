"""Who may read a private file: its owner, and the group where the folder is shared with one."""

import contextlib
import os
import pwd
import shlex
import stat
from pathlib import Path

from pipeline.base.errors import Fault

GROUP, OTHERS = 0o070, 0o007
GROUP_WRITES, OTHERS_WRITE = 0o020, 0o002
# Files in a shared folder get its group, not the first group of whoever writes them.
SHARED_FOLDER, SHARED_FILE = 0o2770, 0o660
OWN_FOLDER, OWN_FILE = 0o700, 0o600


def is_shared(folder: Path) -> bool:
    """Return whether the group of a folder may write to it, and nobody else but its owner."""
    mode = folder.stat().st_mode
    return bool(mode & GROUP_WRITES) and not mode & OTHERS_WRITE


def keep_access(path: Path) -> None:
    """Give a private file or folder to its owner alone, or to the group with which its folder is shared.

    What belongs to somebody else, or lies on a read-only file system, stays as it is.
    """
    with contextlib.suppress(OSError):
        status, folder = path.stat(), path.parent.stat()
        if status.st_uid != os.geteuid():
            return
        is_folder = stat.S_ISDIR(status.st_mode)
        mode = OWN_FOLDER if is_folder else OWN_FILE
        if is_shared(path.parent):
            # Whoever is not of that group cannot give the file to it: then it stays private.
            if status.st_gid != folder.st_gid:
                os.chown(path, -1, folder.st_gid)
            mode = SHARED_FOLDER if is_folder else SHARED_FILE
        if stat.S_IMODE(status.st_mode) != mode:
            path.chmod(mode)


def make_private(*folders: Path) -> None:
    """Make folders that only their owner, or the group of the workspace, may enter, the outermost first."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True, mode=OWN_FOLDER)
        keep_access(folder)


def exposure(path: Path) -> tuple[str, str]:
    """Say who else can read a private file, and what to type; two empty strings where nobody can."""
    status, folder = path.stat(), path.parent.stat()
    mode, shared = stat.S_IMODE(status.st_mode), is_shared(path.parent)
    if not mode & (GROUP | OTHERS) or (not mode & OTHERS and shared and status.st_gid == folder.st_gid):
        return "", ""
    name = shlex.quote(str(path))
    command = f"chgrp {folder.st_gid} {name} && chmod 660 {name}" if shared else f"chmod 600 {name}"
    return f"{path} can be read by others ({mode:03o})", f"Type `{command}`."


def denied(path: Path) -> Fault:
    """Return the fault for a private file that this user may not read: whose it is, and what to type."""
    workspace = next((folder.parent for folder in path.parents if folder.name == ".tonewatch"), path.parent)
    shared = shlex.quote(str(workspace))
    owner = next(filter(None, map(_owner, (path, *path.parents))), "somebody else")
    return Fault(
        f"{path} belongs to {owner}, and this user may not read it. To share the workspace with a "
        f"group, {owner} types `chgrp -R GROUP {shared} && chmod -R g+rwX,o-rwx {shared}`."
    )


def _owner(path: Path) -> str:
    try:
        number = path.stat().st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
