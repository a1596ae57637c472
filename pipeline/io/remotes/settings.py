"""Which DVC remotes a workspace has, read without DVC, and how they are always opened: with `verify`."""

import configparser
import contextlib
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from pipeline.base.config.workspace import user_path
from pipeline.base.errors import UsageError

SECTION = re.compile(r"""'?remote\s+"(.+)"'?$""")
# Without them a connection that hangs would be waited for without end.
S3_TIMEOUTS = {"connect_timeout": 10, "read_timeout": 60}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*$")


def remote_names(root: Path) -> tuple[str, ...]:
    """Return the names of the DVC remotes of a workspace, the default one first."""
    names: dict[str, None] = {}
    config = _read(root)
    default = config.get("core", "remote", fallback="").strip("'\"")
    for section in config.sections():
        if found := SECTION.match(section):
            names[found[1]] = None
    return tuple(sorted(names, key=lambda name: (name != default, name)))


def default_remote(root: Path) -> str:
    """Return the name of the default DVC remote, empty where there is none."""
    return _read(root).get("core", "remote", fallback="").strip("'\"")


def unverified_remotes(root: Path) -> tuple[str, ...]:
    """Return the remotes from which plain `dvc pull` would take changed bytes."""
    config = _read(root)
    return tuple(
        name
        for name in remote_names(root)
        if not any(
            config.get(section, "verify", fallback="").lower() == "true"
            for section in config.sections()
            if (found := SECTION.match(section)) and found[1] == name
        )
    )


def always_verify(config: MutableMapping[str, Any]) -> None:
    """Make every remote of a configuration verify what it brings and answer in time; in this process only."""
    for remote in config["remote"].values():
        remote["verify"] = True
        if str(remote.get("url", "")).startswith("s3://"):
            for name, seconds in S3_TIMEOUTS.items():
                remote.setdefault(name, seconds)


def add_remote(repo: Any, name: str, address: str, endpoint: str | None) -> None:
    """Write the default remote into .dvc/config, with `verify`; another one of this name is replaced.

    Raises UsageError for a name or an address that cannot be one.
    """
    if not NAME.match(name) or not address.strip() or "\n" in address:
        raise UsageError(f"A remote needs a name of letters and an address, not {name!r} and {address!r}.")
    url = address if "://" in address else str(user_path(address).absolute())
    own = {"url": url, "verify": True, **({"endpointurl": endpoint} if endpoint else {})}
    with repo.config.edit("repo") as config:
        config["remote"] = {**config.get("remote", {}), name: own}
        config["core"] = {**config.get("core", {}), "remote": name}


def _read(root: Path) -> configparser.ConfigParser:
    merged = configparser.ConfigParser(strict=False, interpolation=None)
    for path in (root / ".dvc" / "config", root / ".dvc" / "config.local"):
        with contextlib.suppress(configparser.Error):
            merged.read(path, "utf-8")
    return merged
