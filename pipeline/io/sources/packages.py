"""Pinned files of the user's package index: fetched once, verified on every use, never run or imported."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from filelock import FileLock

from pipeline.base import logs
from pipeline.base.config import PinnedFile
from pipeline.base.errors import DigestMismatch, SourceUnreachable
from pipeline.io import files
from pipeline.io.sources.archives import read_members, read_nested_member
from pipeline.io.sources.pip_settings import PipSettings, open_session, read_pip_settings

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage, PyPISimple

__all__ = ["fetch_pinned_file", "read_members", "read_nested_member"]

LOCK_SECONDS = 900


def fetch_pinned_file(pinned: PinnedFile, downloads: Path) -> Path:
    """Return the path of a pinned file, fetched through pip's index settings unless `downloads` holds it.

    The file is named by its SHA-256 and verified on each call; a damaged one is fetched again. Raises
    SourceUnreachable when no index has the file, DigestMismatch when an index serves other bytes.
    """
    path = downloads / pinned.sha256
    downloads.mkdir(parents=True, exist_ok=True)
    # Two runs that fetch the same file: the second waits, and then finds it.
    with FileLock(downloads / f".{pinned.sha256}.lock", timeout=LOCK_SECONDS):
        if path.is_file():
            if files.sha256(path) == pinned.sha256:
                return path
            logs.get("collect").warning("download.damaged", project=pinned.project, sha256=pinned.sha256[:12])
        part = downloads / f".{pinned.sha256}.part"
        try:
            with files.report_disk_full(path):
                _download(pinned, part, path, read_pip_settings(os.environ))
                os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    return path


def _download(pinned: PinnedFile, part: Path, path: Path, settings: PipSettings) -> None:
    from pypi_simple import PyPISimple

    reasons = []
    for endpoint in settings.indexes:
        with PyPISimple(endpoint, session=open_session(settings)) as index:
            reason = _fetch_from(pinned, part, index, settings.timeout)
        if reason is None:
            logs.get("collect").info(
                "file.fetched", project=pinned.project, sha256=pinned.sha256[:12], bytes=part.stat().st_size
            )
            return
        reasons.append(f"  {_without_credentials(endpoint)}: {reason}")
    raise SourceUnreachable(
        f"The pinned file of {pinned.project} (SHA-256 {pinned.sha256[:12]}…) could not be fetched:\n"
        + "\n".join(reasons)
        + f"\n{_alternatives(path)}"
    )


def _fetch_from(pinned: PinnedFile, part: Path, index: "PyPISimple", timeout: float) -> str | None:
    """Download a file from one index; return why that failed, None when it did not."""
    import requests
    from pypi_simple import (
        DigestMismatchError,
        NoSuchProjectError,
        UnsupportedContentTypeError,
        UnsupportedRepoVersionError,
    )

    try:
        page = index.get_project_page(pinned.project, timeout=timeout)
        for package in page.packages:
            if package.digests.get("sha256") == pinned.sha256:
                _copy(package, part, index, timeout)
                break
        else:
            return f"has {len(page.packages)} files of {pinned.project}, none with this SHA-256"
    except NoSuchProjectError:
        return f"has no project {pinned.project}"
    except (UnsupportedContentTypeError, UnsupportedRepoVersionError):
        return "is not a package index"
    except DigestMismatchError as error:
        raise _wrong_bytes(pinned, index.endpoint) from error
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else "unknown"
        return f"responds with status {status}"
    except requests.RequestException as error:
        return f"is not reachable ({type(error).__name__})"
    if files.sha256(part) != pinned.sha256:
        raise _wrong_bytes(pinned, index.endpoint)
    return None


def _copy(package: "DistributionPackage", part: Path, index: "PyPISimple", timeout: float) -> None:
    from pypi_simple import tqdm_progress_factory

    bar = tqdm_progress_factory(
        desc=package.filename, unit="B", unit_scale=True, leave=False, disable=not sys.stderr.isatty()
    )
    package.url = _with_credentials_of(index.endpoint, package.url)
    index.download_package(package, part, verify=True, progress=bar, timeout=timeout)


def _with_credentials_of(endpoint: str, url: str) -> str:
    """Add the index's credentials to the address of a file on the same host, as pip does."""
    index, file = urlsplit(endpoint), urlsplit(url)
    if "@" not in index.netloc or index.netloc.rpartition("@")[2] != file.netloc:
        return url
    return urlunsplit(file._replace(netloc=index.netloc))


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _wrong_bytes(pinned: PinnedFile, endpoint: str) -> DigestMismatch:
    return DigestMismatch(
        f"{_without_credentials(endpoint)} serves a file of {pinned.project} whose SHA-256 is not the pinned "
        f"{pinned.sha256[:12]}…, so it was deleted. Type the same again, or ask the index's owner."
    )


def _alternatives(path: Path) -> str:
    return (
        "Set PIP_INDEX_URL (or `pip config set global.index-url URL`) to an index that you can reach, "
        f"or put the file itself at {path}, "
        "or use a file of your own: in params.yaml under collect.sources set `kind: csv` and `path: FILE` "
        "(for weights: set `encoder.start: scratch`)."
    )
