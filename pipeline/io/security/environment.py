"""What runs at each start of Python: `.pth` files with code, sitecustomize and usercustomize."""

import base64
import contextlib
import hashlib
import importlib.metadata
import site
from collections.abc import Collection, Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

CUSTOMIZE = ("sitecustomize", "usercustomize")
# How virtualenv and uv mark an environment; no package lists it.
VIRTUALENV = "import _virtualenv"


def unknown_startup_code() -> list[Path]:
    """Return the files that this Python runs at each start and that no package of ours brought."""
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    folders = map(Path, (*site.getsitepackages(), *user))
    trusted = required_packages()
    return [path for folder in folders for path in unknown_startup_files(folder, trusted)]


def required_packages(root: str = "tonewatch", extras: Collection[str] = ("serve", "dev")) -> set[str]:
    """Return the names of a package and of all that it requires with these extras, as far as installed."""
    names: set[str] = set()
    followed: set[tuple[str, str]] = set()
    waiting = [(root, extra) for extra in ("", *extras)]
    while waiting:
        name, extra = canonicalize_name(waiting[-1][0]), waiting.pop()[1]
        if (name, extra) not in followed:
            followed.add((name, extra))
            names.add(name)
            for one in _requirements(name, extra):
                waiting += [(one.name, more) for more in ("", *one.extras)]
    return names


def unknown_startup_files(folder: Path, trusted: Collection[str]) -> list[Path]:
    """Return the files of a site-packages folder that run at each start of Python without a known origin.

    A trusted package is the origin of what its RECORD lists with the SHA-256 that the file has. The RECORD of
    another one does not count: litellm 1.82.8 brought such a file to steal credentials.
    """
    digests = _recorded_digests(folder, trusted)
    return [path for path in _startup_files(folder) if digests.get(path.name) != _digest(path)]


def _startup_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob("*.pth")):
        # `site` runs the lines that begin with the word, and takes the others for folders.
        lines = path.read_text("utf-8-sig", errors="replace").splitlines()
        code = [line for line in lines if line.startswith(("import ", "import\t"))]
        if code and [line.strip() for line in code] != [VIRTUALENV]:
            yield path
    for name in CUSTOMIZE:
        yield from (path for path in (folder / f"{name}.py", folder / name / "__init__.py") if path.is_file())


def _recorded_digests(folder: Path, trusted: Collection[str]) -> dict[str, str]:
    digests: dict[str, str] = {}
    for distribution in importlib.metadata.distributions(path=[str(folder)]):
        if canonicalize_name(distribution.metadata["Name"] or "") in trusted:
            entries = [entry for entry in distribution.files or [] if entry.hash and len(entry.parts) == 1]
            digests |= {entry.name: entry.hash.value for entry in entries if entry.hash is not None}
    return digests


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file as a RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()


def _requirements(name: str, extra: str) -> Iterator[Requirement]:
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return
    for line in lines:
        with contextlib.suppress(InvalidRequirement):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                yield requirement
