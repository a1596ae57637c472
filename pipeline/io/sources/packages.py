"""Pinned files of the user's package index: fetched once, verified on every use, never run or imported."""

import functools
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from filelock import FileLock, Timeout

from pipeline.base import logs
from pipeline.base.config import PinnedFile
from pipeline.base.errors import DigestMismatch, SourceUnreachable
from pipeline.io import files
from pipeline.io.sources.archives import read_members, read_nested_member
from pipeline.io.web.deadline import within
from pipeline.io.web.index_rules import FetchFailed, Index, parse_index
from pipeline.io.web.pip_settings import PipSettings, read_pip_settings

if TYPE_CHECKING:
    from pypi_simple import ProjectPage

    from pipeline.io.web.guarded_http import IndexSession

__all__ = ["fetch_pinned_file", "read_members", "read_nested_member"]

# One index has this long for its page and the file together: 1 GB at 0.6 MB/s.
FETCH_SECONDS = 1800.0
LOCK_SECONDS = 1900.0
# The list of all files of a project; that of a project with thousands of files has 5 MB.
MAX_PAGE_BYTES = 10_000_000
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


def fetch_pinned_file(pinned: PinnedFile, downloads: Path, *, seconds: float = FETCH_SECONDS) -> Path:
    """Return the path of a pinned file, fetched through pip's index settings unless `downloads` holds it.

    The file is named by its SHA-256 and verified on each call; a damaged one is fetched again. Each index
    has so many seconds. Raises SourceUnreachable when no index has the file or may serve it, DigestMismatch
    when an index serves other bytes.
    """
    path = downloads / pinned.sha256
    downloads.mkdir(parents=True, exist_ok=True)
    # Two runs that fetch the same file: the second waits, and then finds it.
    lock = downloads / f".{pinned.sha256}.lock"
    try:
        with FileLock(lock, timeout=LOCK_SECONDS):
            if path.is_file():
                if files.sha256(path) == pinned.sha256:
                    return path
                logs.get("collect").warning(
                    "download.damaged", project=pinned.project, sha256=pinned.sha256[:12]
                )
            _download(pinned, path, seconds)
    except Timeout as error:
        raise SourceUnreachable(
            f"Another process has been fetching {pinned.project} for {LOCK_SECONDS:,.0f} s: "
            f"it holds {lock}. Wait until it ends, or end it, then type the same again."
        ) from error
    return path


def _download(pinned: PinnedFile, path: Path, seconds: float) -> None:
    """Write the file whole and verified, or not at all."""
    settings = read_pip_settings(os.environ)
    part = path.with_name(f".{pinned.sha256}.part")
    reasons = []
    try:
        for index in map(parse_index, settings.indexes):
            try:
                _fetch_from(index, pinned, part, settings, seconds)
            except FetchFailed as failed:
                reasons.append(f"  {index.url}: {failed}")
                continue
            os.replace(part, path)
            return
    finally:
        part.unlink(missing_ok=True)
    raise SourceUnreachable(
        f"The pinned file of {pinned.project} (SHA-256 {pinned.sha256[:12]}…) could not be fetched:\n"
        + "\n".join(reasons)
        + f"\n{_alternatives(path, settings)}"
    )


def _fetch_from(index: Index, pinned: PinnedFile, part: Path, settings: PipSettings, seconds: float) -> None:
    from pipeline.io.web.guarded_http import IndexSession

    session = IndexSession(index, settings, deadline=time.monotonic() + seconds)
    # Opened anew for each index: a thread that was left behind keeps the file of its own.
    part.unlink(missing_ok=True)
    with files.report_disk_full(part), session, part.open("wb") as file:
        digest = within(seconds, functools.partial(_copy, session, index, pinned, file))
    if digest != pinned.sha256:
        raise DigestMismatch(
            f"{index.url} serves a file of {pinned.project} whose SHA-256 is not the pinned "
            f"{pinned.sha256[:12]}…, so it was deleted. Type the same again, or ask the index's owner."
        )
    size = part.stat().st_size
    logs.get("collect").info("file.fetched", project=pinned.project, sha256=pinned.sha256[:12], bytes=size)


def _copy(session: "IndexSession", index: Index, pinned: PinnedFile, file: IO[bytes]) -> str:
    """Copy the pinned file of an index to an open file; return the SHA-256 of what was written."""
    from pypi_simple import tqdm_progress_factory

    from pipeline.io.web.guarded_http import TooLarge

    page = _project_page(session, index, pinned.project)
    package = next((one for one in page.packages if one.digests.get("sha256") == pinned.sha256), None)
    if package is None:
        raise FetchFailed(f"has {len(page.packages)} files of {pinned.project}, none with this SHA-256")
    cap = pinned.max_megabytes * 1_000_000
    size = cap if package.size is None else package.size
    show = tqdm_progress_factory(
        desc=pinned.project, unit="B", unit_scale=True, leave=False, disable=not sys.stderr.isatty()
    )
    digest = hashlib.sha256()
    try:
        with session.open(package.url, max_bytes=min(size, cap)) as body, show(body.length) as bar:
            for chunk in body.chunks:
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
    except TooLarge as error:
        hint = "; raise its `max_megabytes` in params.yaml to fetch it" if size >= cap else ""
        raise FetchFailed(f"{error}{hint}") from error
    return digest.hexdigest()


def _project_page(session: "IndexSession", index: Index, project: str) -> "ProjectPage":
    from packaging.utils import canonicalize_name
    from pypi_simple import ACCEPT_ANY, ProjectPage, UnsupportedRepoVersionError

    from pipeline.io.web.guarded_http import NotFound

    url = f"{index.url}{canonicalize_name(project)}/"
    try:
        with session.open(url, max_bytes=MAX_PAGE_BYTES, accept=ACCEPT_ANY, decode=True) as body:
            content = b"".join(body.chunks)
        if body.content_type.partition(";")[0].strip().lower().endswith("json"):
            return ProjectPage.from_json_data(json.loads(content), base_url=body.url)
        return ProjectPage.from_html(project, content, base_url=body.url)
    except NotFound as error:
        raise FetchFailed(f"has no project {project}") from error
    except (ValueError, RecursionError, UnsupportedRepoVersionError) as error:
        raise FetchFailed("is not a package index") from error


def _alternatives(path: Path, settings: PipSettings) -> str:
    proxies = [name for name in os.environ if name.lower() in PROXY_VARIABLES and os.environ[name]]
    if settings.proxy:
        proxies.append("pip's `proxy`")
    check = f"Check {', '.join(sorted(proxies))}: the download goes through it. " if proxies else ""
    return check + (
        "Set PIP_INDEX_URL (or `pip config set global.index-url URL`) to an index that you can reach, "
        f"or put the file itself at {path}, "
        "or use a file of your own: in params.yaml under collect.sources set `kind: csv` and `path: FILE` "
        "(for weights: set `encoder.start: scratch`)."
    )
