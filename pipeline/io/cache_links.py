"""Links into DVC's cache, which DVC makes where `cache.type` is symlink."""

import configparser
import contextlib
import hashlib
import os
from pathlib import Path

from pipeline.base.config.workspace import user_path


def is_cache_link(path: Path) -> bool:
    """Return whether a link leads to an object of DVC's cache whose name is the MD5 of its bytes.

    The cache is that of the repository in which the link lies; its objects never change.
    """
    dvc = next((folder / ".dvc" for folder in path.absolute().parents if (folder / ".dvc").is_dir()), None)
    target = path.resolve()
    if dvc is None or not target.is_file() or not target.is_relative_to(cache_folder(dvc).resolve()):
        return False
    return target.parent.name + target.name == md5(target)


def md5(path: Path) -> str:
    """Return the MD5 of a file: DVC's name for it, which guards against accidents; receipts hold SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def cache_folder(dvc: Path) -> Path:
    """Read where the cache of a repository is; a relative `cache.dir` is relative to its config file."""
    user = os.environ.get("DVC_GLOBAL_CONFIG_DIR") or Path.home() / ".config" / "dvc"
    folder = dvc / "cache"
    # DVC's own reader takes a second to import, and every reader of a folder of links would wait for it.
    for path in (Path(user) / "config", dvc / "config", dvc / "config.local"):
        config = configparser.ConfigParser(strict=False, interpolation=None)
        with contextlib.suppress(configparser.Error):
            config.read(path, "utf-8")
        if written := config.get("cache", "dir", fallback="").strip("'\""):
            folder = path.parent / user_path(written)
    return folder
