"""Links into DVC's cache, which DVC makes where `cache.type` is symlink."""

import hashlib
from pathlib import Path


def is_cache_link(path: Path) -> bool:
    """Return whether a link leads to an object of DVC's cache whose name is the MD5 of its bytes.

    The cache is that of the repository in which the link lies; its objects never change.
    """
    dvc = next((folder / ".dvc" for folder in path.absolute().parents if (folder / ".dvc").is_dir()), None)
    target = path.resolve()
    if dvc is None or not target.is_file() or not target.is_relative_to(_cache_folder(dvc).resolve()):
        return False
    return target.parent.name + target.name == md5(target)


def md5(path: Path) -> str:
    """Return the MD5 of a file: DVC's name for it, which guards against accidents; receipts hold SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _cache_folder(dvc: Path) -> Path:
    """Return the cache of a repository; a relative `cache.dir` is relative to the file that sets it."""
    from dvc.config import Config

    return Path(Config(str(dvc))["cache"].get("dir") or dvc / "cache")
