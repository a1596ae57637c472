"""One DVC remote: its objects by the MD5 that names them, each read and written with a check of every byte.

DVC provides the storage. Its own push and pull are not used: they trust an index of what was pushed once, and
the names of what is there, so a remote that lost or changed an object keeps its fault (dvc 3.67).
"""

import contextlib
import errno
import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pipeline.base.errors import TonewatchError, Unreachable
from pipeline.io.cache_links import md5

State = Literal["good", "missing", "changed"]
CHUNK = 1 << 20
READ_ONLY = 0o444
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ASIDE = "set-aside"


class RemoteStore:
    """Read and write the objects of one remote.

    Every method raises Unreachable, which says what to do, where the remote fails.
    """

    def __init__(self, repo: Any, name: str) -> None:
        self.name = name
        with answering(name):
            self._objects = repo.cloud.get_remote_odb(name)
            self._fs: Any = self._objects.fs
            # fsspec keeps listings for the life of the process.
            with contextlib.suppress(AttributeError):
                self._fs.fs.invalidate_cache()

    def size(self, digest: str) -> int | None:
        """Return the size of an object, None where it is missing."""
        with answering(self.name):
            try:
                return int(self._fs.info(self.path(digest))["size"])
            except FileNotFoundError:
                return None

    def state(self, digest: str) -> State:
        """Read an object, and return whether its bytes are those of its name."""
        sum_ = hashlib.md5(usedforsecurity=False)
        with answering(self.name):
            try:
                with self._fs.open(self.path(digest), "rb") as file:
                    while chunk := file.read(CHUNK):
                        sum_.update(chunk)
            except FileNotFoundError:
                return "missing"
        return "good" if sum_.hexdigest() == digest.removesuffix(".dir") else "changed"

    def fetch(self, digest: str, target: Path) -> State:
        """Put an object at `target`, whole or not at all, and only where its bytes are good."""
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            if not self.copy(self.path(digest), temporary):
                return "missing"
            if md5(temporary) != digest.removesuffix(".dir"):
                return "changed"
            temporary.chmod(READ_ONLY)
            temporary.replace(target)
            return "good"
        finally:
            temporary.unlink(missing_ok=True)

    def copy(self, path: str, target: Path) -> bool:
        """Copy what lies at a path of the remote, unchecked; return whether there is anything."""
        with answering(self.name):
            try:
                self._fs.get_file(path, str(target))
            except FileNotFoundError:
                return False
        return True

    def put(self, source: Path, digest: str) -> None:
        """Write an object; a folder gets it whole or not at all, as S3 does."""
        with answering(self.name, writing=True):
            self._fs.put_file(str(source), self.path(digest))

    def set_aside(self, digest: str) -> str:
        """Move an object out of the way of its name, and return where it is now."""
        with answering(self.name):
            parent = self._fs.parent(self._fs.parent(self._objects.path))
            paths = (self._fs.join(parent, ASIDE, f"{digest}-{number}") for number in itertools.count(1))
            target = next(path for path in paths if not self._fs.exists(path))
            self._fs.move(self.path(digest), target)
            return str(target)

    def paths(self) -> Iterator[str]:
        """Yield the path of everything that lies in the remote, what was set aside too."""
        with answering(self.name, writing=True):
            parent = self._fs.parent(self._fs.parent(self._objects.path))
            if self._fs.protocol == "local" and not Path(parent).is_dir():
                # A disk that is not mounted is not empty.
                raise FileNotFoundError(f"{parent} is no folder")
            found = list(self._fs.find(parent))
        yield from found

    def object_of(self, path: str) -> str:
        """Return the digest that names the object at a path; empty for what was set aside."""
        parts = self._fs.parts(path)
        return "" if ASIDE in parts else parts[-2] + parts[-1]

    def remove(self, path: str) -> None:
        """Remove what lies at a path."""
        with answering(self.name, writing=True), contextlib.suppress(FileNotFoundError):
            self._fs.remove(path)

    def path(self, digest: str) -> str:
        """Return the path of an object."""
        return str(self._objects.oid_to_path(digest))


@contextlib.contextmanager
def answering(name: str, *, writing: bool = False) -> Iterator[None]:
    """Turn whatever a storage library raises into Unreachable, with what to do.

    Only what is missing passes as FileNotFoundError, where nothing is written or listed.
    """
    try:
        yield
    except TonewatchError:
        raise
    except FileNotFoundError as error:
        if not writing:
            raise
        raise Unreachable(_sentence(name, error)) from error
    except Exception as error:
        raise Unreachable(_sentence(name, error)) from error


def _sentence(name: str, error: Exception) -> str:
    reason = f"{type(error).__name__}: {str(error).strip().rstrip('.')[:300]}"
    if isinstance(error, OSError) and error.errno in FULL:
        return f"The DVC remote {name} is full ({reason}). Free space there, then type the same again."
    if type(error).__name__ == "RemoteMissingDepsError":
        return (
            f"The DVC remote {name} needs a library that is not installed ({reason}). For S3 type "
            "`pip install dvc-s3`."
        )
    if isinstance(error, PermissionError) or "Credentials" in reason or "AccessDenied" in reason:
        return (
            f"The DVC remote {name} refuses access ({reason}). Check the credentials: `dvc remote modify "
            f"--local {name} access_key_id ...` and secret_access_key, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY; for a folder, its rights."
        )
    return (
        f"The DVC remote {name} cannot be reached or used ({reason}). Check its address with "
        "`dvc remote list`, then type the same again."
    )
