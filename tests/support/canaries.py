"""Four malicious pickles; each creates a file when it is unpickled."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


class _Call:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._reduced


def system(canary: Path) -> bytes:
    """A shell command, by `__reduce__`."""
    return pickle.dumps(_Call(os.system, f"touch {canary}"))


def execute(canary: Path) -> bytes:
    """Python source, by `builtins.exec`."""
    return pickle.dumps(_Call(exec, f"open({str(canary)!r}, 'w').close()"), protocol=0)


def checkpoint(canary: Path) -> bytes:
    """A torch checkpoint: a zip whose member data.pkl is the pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", system(canary))
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def polyglot(canary: Path) -> bytes:
    """JSON at the start of the file, a torch checkpoint at its end."""
    return b'{"labels": ["no", "yes"]}\n' + checkpoint(canary)


KINDS = (system, execute, checkpoint, polyglot)


def unpickle(content: bytes) -> None:
    """Unpickle a canary, so that a test can show that it works."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read("archive/data.pkl")
    pickle.loads(content)
