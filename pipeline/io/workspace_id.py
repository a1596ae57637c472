"""The identity of a workspace: an id that stays when it is moved, and changes when it is copied."""

import dataclasses
import re
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.base import logs, times
from pipeline.base.config import Workspace
from pipeline.base.errors import Fault
from pipeline.io import files
from pipeline.io.locks import folder_lock

FILE = "workspace.json"
MAX_SLUG = 40

log = logs.get("workspace")


@dataclass(frozen=True)
class WorkspaceIdentity:
    """Hold the id of a workspace, who made it where and when (UTC), and the places it knows itself by.

    `root` is where it last was; `former` are the ids of the workspaces it was copied from, whose releases and
    data it holds too; `model` is the name of its registered model in a shared MLflow, once it has one.
    """

    id: str
    created: str
    host: str
    root: str
    former: tuple[str, ...] = ()
    model: str | None = None

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
    its own, so that it never touches what the original keeps in a shared MLflow. Where nothing can be written
    (a read-only workspace), the identity is returned without being stored. Raises Fault for a damaged file.
    """
    path, here = workspace.home / FILE, str(workspace.root.resolve())
    identity = _read(path)
    if identity and identity.root == here:
        return identity
    try:
        with folder_lock(path):
            identity = _read(path)  # another process may have written it while this one waited
            current = _current(identity, here)
            if current != identity:
                files.write_json(path, dataclasses.asdict(current))
                if identity:
                    log.warning("workspace.found_elsewhere", id=current.id, before=identity.root, now=here)
    except OSError:
        current = _current(identity, here)
    return current


def name_model(workspace: Workspace, model: str) -> str:
    """Record the name of the registered model in a shared MLflow; return the one recorded first."""
    path = workspace.home / FILE
    workspace_identity(workspace)
    with folder_lock(path):
        identity = _current(_read(path), str(workspace.root.resolve()))
        if identity.model is None:
            identity = dataclasses.replace(identity, model=model)
            files.write_json(path, dataclasses.asdict(identity))
    return str(identity.model)


def _current(identity: WorkspaceIdentity | None, here: str) -> WorkspaceIdentity:
    """Return the identity of the workspace at a place, from the one stored there."""
    host = socket.gethostname()
    if identity and identity.root == here:
        return identity
    if identity and not _is_copy(identity, Path(here)):
        return dataclasses.replace(identity, root=here, host=host)
    now = times.format_seconds(datetime.now(UTC))
    former = (*identity.former, identity.id) if identity else ()
    return WorkspaceIdentity(uuid.uuid4().hex, now, host, here, former)


def _is_copy(identity: WorkspaceIdentity, here: Path) -> bool:
    original = Path(identity.root)
    try:
        if not original.exists() or original.samefile(here):
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
