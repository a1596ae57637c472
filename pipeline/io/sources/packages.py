"""Pinned files of the user's own package index: fetched once, checked on every use, never run or imported."""

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
    """Give the pinned file, fetched through pip's own index settings unless it lies in `downloads` already.

    The file is named by its SHA-256 and digested on each call, so a damaged one is fetched anew.
    Raises SourceUnreachable when no index answers or none has the file, DigestMismatch when what came is something else.
    """
    kept = downloads / pinned.sha256
    downloads.mkdir(parents=True, exist_ok=True)
    # Two runs that fetch the same file: the second waits, and then finds it.
    with FileLock(downloads / f".{pinned.sha256}.lock", timeout=LOCK_SECONDS):
        if kept.is_file():
            if files.sha256(kept) == pinned.sha256:
                return kept
            logs.get("collect").warning(
                "damaged download, fetched anew", project=pinned.project, sha256=pinned.sha256[:12]
            )
        part = downloads / f".{pinned.sha256}.part"
        try:
            with files.report_disk_full(kept):
                _download(pinned, part, kept, read_pip_settings(os.environ))
                os.replace(part, kept)
        finally:
            part.unlink(missing_ok=True)
    return kept


def _download(pinned: PinnedFile, part: Path, kept: Path, settings: PipSettings) -> None:
    from pypi_simple import PyPISimple

    tried = []
    for endpoint in settings.indexes:
        with PyPISimple(endpoint, session=open_session(settings)) as index:
            answer = _from_index(pinned, part, index, settings.timeout)
        if answer is None:
            logs.get("collect").info(
                "fetched", project=pinned.project, sha256=pinned.sha256[:12], bytes=part.stat().st_size
            )
            return
        tried.append(f"  {_without_password(endpoint)}: {answer}")
    raise SourceUnreachable(
        f"The pinned file of {pinned.project} (SHA-256 {pinned.sha256[:12]}…) could not be fetched from the package index:\n"
        + "\n".join(tried)
        + f"\n{_way_out(kept)}"
    )


def _from_index(pinned: PinnedFile, part: Path, index: "PyPISimple", timeout: float) -> str | None:
    """Download from one index; give the reason when it has no such file or does not answer."""
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
        return "does not answer as a package index"
    except DigestMismatchError as error:
        raise _wrong_bytes(pinned, index.endpoint) from error
    except requests.HTTPError as error:
        return (
            f"answered with status {error.response.status_code if error.response is not None else 'unknown'}"
        )
    except requests.RequestException as error:
        return f"does not answer ({type(error).__name__})"
    if files.sha256(part) != pinned.sha256:
        raise _wrong_bytes(pinned, index.endpoint)
    return None


def _copy(package: "DistributionPackage", part: Path, index: "PyPISimple", timeout: float) -> None:
    from pypi_simple import tqdm_progress_factory

    bar = tqdm_progress_factory(
        desc=package.filename, unit="B", unit_scale=True, leave=False, disable=not sys.stderr.isatty()
    )
    package.url = _with_password_of(index.endpoint, package.url)
    index.download_package(package, part, verify=True, progress=bar, timeout=timeout)


def _with_password_of(endpoint: str, url: str) -> str:
    """Carry the index's own credentials to a file on the same host, as pip does, and to no other host."""
    ours, theirs = urlsplit(endpoint), urlsplit(url)
    if "@" not in ours.netloc or ours.netloc.rpartition("@")[2] != theirs.netloc:
        return url
    return urlunsplit(theirs._replace(netloc=ours.netloc))


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _wrong_bytes(pinned: PinnedFile, endpoint: str) -> DigestMismatch:
    return DigestMismatch(
        f"{_without_password(endpoint)} gave a file of {pinned.project} whose SHA-256 is not the pinned {pinned.sha256[:12]}…, "
        "so it was thrown away. Type the same again; if it stays so, ask whoever runs that index."
    )


def _way_out(kept: Path) -> str:
    return (
        "Set PIP_INDEX_URL (or `pip config set global.index-url URL`) to an index that you reach, "
        f"or put the file itself at {kept}, "
        "or use a file of your own: in params.yaml under collect.sources set `kind: csv` and `path: FILE` "
        "(for weights: set `encoder.start: scratch`)."
    )
