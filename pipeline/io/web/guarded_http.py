"""Requests under guard: each address is checked, each body has a cap, and each download has an end.

It imports requests, so it is imported where it is used.
"""

import contextlib
import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_environ_proxies, get_netrc_auth

from pipeline.io.web.adapter import GuardedAdapter, RedirectlessSession, no_auth, reasons
from pipeline.io.web.index_rules import (
    FetchFailed,
    Index,
    check_url,
    is_loopback,
    local_path,
    printable,
    without_credentials,
)
from pipeline.io.web.pip_settings import PipSettings

MAX_REDIRECTS = 5
CHUNK_BYTES = 65_536


class NotFound(FetchFailed):
    """Nothing is at the address."""


class TooLarge(FetchFailed):
    """More bytes come, or are announced, than are allowed."""


@dataclasses.dataclass(frozen=True)
class Body:
    """What an address serves: the address after redirects, the type, the declared length, and the bytes."""

    url: str
    content_type: str
    length: int | None
    chunks: Iterator[bytes]


class IndexSession:
    """Ask one index, and what it may lead to, until `deadline` (of `time.monotonic`)."""

    def __init__(self, index: Index, settings: PipSettings, *, deadline: float) -> None:
        # As pip does; requests by itself would send them to any host, and over plain HTTP.
        credentials = index.credentials or get_netrc_auth(index.url)
        self._index = dataclasses.replace(index, credentials=credentials)
        self._settings, self._deadline = settings, deadline
        self._session = RedirectlessSession()
        self._session.trust_env = False
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self._session.verify = settings.cert or bundle or True
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, GuardedAdapter(self._index))

    def __enter__(self) -> "IndexSession":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    @contextlib.contextmanager
    def open(self, url: str, *, max_bytes: int, accept: str = "*/*", decode: bool = False) -> Iterator[Body]:
        """Yield what an address serves, after at most five redirects; `decode` undoes a Content-Encoding.

        Raises FetchFailed with the reason when it may not or cannot be read, NotFound when nothing is there.
        The chunks raise it too: before the first byte beyond `max_bytes`, and past the deadline.
        """
        url = without_credentials(url)
        if urlsplit(url).scheme == "file":
            check_url(url, self._index, previous=self._index.url)
            yield from self._open_file(local_path(url), max_bytes)
            return
        with self._follow(url, accept) as response:
            length = declared_length(response)
            if length is not None and length > max_bytes:
                raise TooLarge(f"announces {length:,} bytes, more than the {max_bytes:,} that are allowed")
            content_type = response.headers.get("Content-Type", "text/html")
            # Unlike read, read1 returns what has come, so that the deadline is looked at.
            read = functools.partial(response.raw.read1, CHUNK_BYTES, decode_content=decode)
            yield Body(
                response.url or url, content_type, length, capped_chunks(read, max_bytes, self._deadline)
            )

    def _open_file(self, path: Path, max_bytes: int) -> Iterator[Body]:
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            raise NotFound(f"has no file {printable(str(path))}")
        try:
            file = path.open("rb")
        except OSError as error:
            raise FetchFailed(f"cannot be read ({error.strerror})") from error
        with file:
            read = functools.partial(file.read, CHUNK_BYTES)
            chunks = capped_chunks(read, max_bytes, self._deadline)
            yield Body(path.as_uri(), "text/html", path.stat().st_size, chunks)

    def _follow(self, url: str, accept: str) -> requests.Response:
        previous = self._index.url
        for _ in range(MAX_REDIRECTS + 1):
            check_url(url, self._index, previous=previous)
            response = self._get(url, accept)
            if not response.is_redirect:
                return self._accepted(response, url)
            # Its body is not read: it may have no end.
            response.close()
            previous = url
            with reasons():
                url = without_credentials(urljoin(url, response.headers["Location"]))
        raise FetchFailed(f"redirects more than {MAX_REDIRECTS} times")

    def _get(self, url: str, accept: str) -> requests.Response:
        left = self._deadline - time.monotonic()
        proxy = self._settings.proxy
        with reasons():
            proxies = {"http": proxy, "https": proxy} if proxy else get_environ_proxies(url)
            return self._session.get(
                url,
                auth=self._index.credentials_for(url) or no_auth,
                headers={"Accept": accept, "Accept-Encoding": "identity"},
                timeout=max(0.1, min(self._settings.timeout, left)),
                proxies={} if is_loopback(urlsplit(url).hostname or "") else proxies,
                allow_redirects=False,
                stream=True,
            )

    def _accepted(self, response: requests.Response, url: str) -> requests.Response:
        if response.status_code == requests.codes.ok:
            return response
        response.close()
        if response.status_code in (requests.codes.not_found, requests.codes.gone):
            raise NotFound(f"has nothing at {printable(urlsplit(url).path)}")
        unsent = self._index.credentials is not None and self._index.credentials_for(url) is None
        hint = "; its credentials are sent to its own host only, over https" if unsent else ""
        raise FetchFailed(f"responds with status {response.status_code}{hint}")


def capped_chunks(read: Callable[[], bytes], max_bytes: int, deadline: float) -> Iterator[bytes]:
    """Yield what `read` returns until it returns nothing.

    Raises TooLarge before the first byte beyond `max_bytes`, FetchFailed past the deadline.
    """
    received = 0
    while True:
        with reasons():
            chunk = read()
        if not chunk:
            return
        received += len(chunk)
        if received > max_bytes:
            raise TooLarge(f"serves more than the {max_bytes:,} bytes that are allowed")
        if time.monotonic() > deadline:
            raise FetchFailed("is too slow")
        yield chunk


def declared_length(response: requests.Response) -> int | None:
    """Return the length that a response announces, None where it announces none."""
    length = response.headers.get("Content-Length", "")
    # Python reads no number of thousands of digits; the first ones are far above any cap.
    return int(length[:18]) if length.isascii() and length.isdigit() else None
