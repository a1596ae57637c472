"""The identity of a workspace: an id that stays when it is moved, and changes when it is copied."""

import dataclasses
import re
import shlex
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.base import logs, times
from pipeline.base.config import Workspace
from pipeline.base.digests import keyed_digest
from pipeline.base.errors import Fault
from pipeline.io import files
from pipeline.io.journal.database import is_network_folder
from pipeline.io.locks import folder_lock

FILE, ORIGINAL = "workspace.json", "original.json"
MAX_SLUG = 40
MACHINE_ID = Path("/etc/machine-id")

log = logs.get("workspace")


@dataclass(frozen=True)
class WorkspaceIdentity:
    """Hold the id of a workspace, who made it where and when (UTC), and the places it knows itself by.

    `root` is where it last was; `former` are the ids of the workspaces it was copied from, whose releases and
    data it holds too, and `copied_from` is where the last of them was; `came_from` is where this one was on
    another machine. `model` is the name of its registered model in a shared MLflow, once it has one.
    `machine` digests the id of the machine, `folder` is the inode of `.tonewatch`; both are empty where the
    system does not tell, or an earlier version wrote the file.
    """

    id: str
    created: str
    host: str
    root: str
    former: tuple[str, ...] = ()
    model: str | None = None
    machine: str = ""
    folder: int = 0
    copied_from: str = ""
    came_from: str = ""

    @property
    def place(self) -> str:
        """Return host and folder, as host:/folder."""
        return f"{self.host}:{self.root}"

    def made(self, workspace_id: str | None) -> bool:
        """Return whether a release with this workspace id was made here; early records have none."""
        return workspace_id is None or workspace_id == self.id or workspace_id in self.former

    @property
    def own_model(self) -> str:
        """Return a name for the registered model that no other workspace has."""
        slug = re.sub(r"[^a-z0-9]+", "-", Path(self.root).name.lower()).strip("-")[:MAX_SLUG]
        return "-".join(part for part in ("tonewatch", slug, self.id[:6]) if part)


def workspace_identity(workspace: Workspace) -> WorkspaceIdentity:
    """Return the identity of a workspace; write it at the first use, and after a move or a copy.

    A workspace that is found at another place while the old place still holds it is a copy: it gets an id of
    its own, so that it never touches what the original keeps in a shared MLflow. So does one that comes from
    another place of another machine, where the original cannot be seen. At the same place of another machine
    it may be a copy, or on a disk that was moved: it keeps its id and notes where it came from. Where nothing
    can be written (a read-only workspace), the identity is returned without being stored. Raises Fault for a
    damaged file.
    """
    path = workspace.home / FILE
    identity = _read(path)
    if identity and identity == (current := _current(identity, workspace)):
        return identity
    try:
        with folder_lock(path):
            identity = _read(path)  # another process may have written it while this one waited
            current = _current(identity, workspace)
            if current != identity:
                files.write_json(path, dataclasses.asdict(current))
                _log_change(workspace, identity, current)
    except OSError:
        current = _current(identity, workspace)
    return current


def name_model(workspace: Workspace, model: str) -> str:
    """Record the name of the registered model in a shared MLflow; return the one recorded first."""
    path = workspace.home / FILE
    workspace_identity(workspace)
    with folder_lock(path):
        identity = _current(_read(path), workspace)
        if identity.model is None:
            identity = dataclasses.replace(identity, model=model)
            files.write_json(path, dataclasses.asdict(identity))
    return str(identity.model)


def _current(identity: WorkspaceIdentity | None, workspace: Workspace) -> WorkspaceIdentity:
    """Return the identity of the workspace where it is now, from the one stored there."""
    new = WorkspaceIdentity(
        id=uuid.uuid4().hex,
        created=times.format_seconds(datetime.now(UTC)),
        host=socket.gethostname(),
        root=str(workspace.root.resolve()),
        machine=machine_digest(),
        folder=workspace.home.stat().st_ino if workspace.home.is_dir() else 0,
    )
    if identity is None:
        original = _read(workspace.home / ORIGINAL)  # by hand, since a copy cannot always be noticed
        return _copy_of(original, new) if original else new
    same_disk = identity.root == new.root or 0 != identity.folder == new.folder
    if not same_disk and (_is_copy(identity, new) or _is_from_another_machine(identity, new)):
        return _copy_of(identity, new)
    came_from, host = identity.came_from, new.host
    if (identity.root, identity.machine) == (new.root, new.machine):
        # The name of a host may change, and a container has another one at each start.
        host = identity.host
    elif identity.machine not in ("", new.machine) and new.machine and not is_network_folder(Path(new.root)):
        came_from = identity.place
    return dataclasses.replace(
        identity,
        host=host,
        root=new.root,
        machine=new.machine,
        folder=new.folder or identity.folder,
        came_from=came_from,
    )


def _copy_of(original: WorkspaceIdentity, new: WorkspaceIdentity) -> WorkspaceIdentity:
    former = (*original.former, original.id)
    return dataclasses.replace(new, former=former, copied_from=original.came_from or original.place)


def _is_from_another_machine(identity: WorkspaceIdentity, new: WorkspaceIdentity) -> bool:
    if Path(identity.root).exists():
        return False
    if identity.machine and new.machine:
        return identity.machine != new.machine
    return identity.host != new.host


def machine_digest() -> str:
    """Return a digest of the machine's id, which itself must not be shown; empty where it has none."""
    try:
        machine = MACHINE_ID.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
    # systemd writes the word before the first boot has made an id.
    return keyed_digest("tonewatch", machine.encode())[:16] if machine not in ("", "uninitialized") else ""


def own_id_command(workspace: Workspace) -> str:
    """Return what gives a workspace an id of its own, where it is a copy that could not be noticed."""
    return shlex.join(["mv", str(workspace.home / FILE), str(workspace.home / ORIGINAL)])


def _log_change(workspace: Workspace, before: WorkspaceIdentity | None, now: WorkspaceIdentity) -> None:
    if before is None:
        return
    if now.id != before.id:
        # The releases of the original get names of this workspace's own in a shared MLflow.
        action = "tonewatch release reconcile"
        log.warning("workspace.copied", id=now.id, original=before.id, origin=now.copied_from, type=action)
    elif now.came_from != before.came_from:
        action = own_id_command(workspace)
        log.warning("workspace.on_another_machine", before=now.came_from, type_if_that_goes_on=action)
    elif now.root != before.root:
        log.warning("workspace.moved", id=now.id, before=before.root, now=now.root)


def _is_copy(identity: WorkspaceIdentity, new: WorkspaceIdentity) -> bool:
    original = Path(identity.root)
    try:
        if not original.exists() or original.samefile(new.root):
            return False
        other = _read(original / ".tonewatch" / FILE)
    except (OSError, Fault):
        return False
    return other is not None and other.id == identity.id


def _read(path: Path) -> WorkspaceIdentity | None:
    if not path.is_file():
        return None
    try:
        document = files.read_json(path)
        return WorkspaceIdentity(**{**document, "former": tuple(document["former"])})
    except (ValueError, TypeError, KeyError) as error:
        raise Fault(
            f"{path} is damaged: {error}. It holds the id of this workspace; restore it from a backup, "
            "or remove it to begin with a new id."
        ) from error
