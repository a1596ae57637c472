"""Ask an address of params.yaml: guarded, conditional, with a bounded number of tries.

It imports requests, so it is imported where it is used.
"""

import functools
import os
import random
import time
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from pipeline.base import logs
from pipeline.base.config.web_sources import WebSection
from pipeline.base.errors import SourceUnreachable
from pipeline.base.secrets import remember_secret
from pipeline.io.web.adapter import (
    GuardedAdapter,
    Interrupted,
    RedirectlessSession,
    no_auth,
    reasons,
)
from pipeline.io.web.deadline import within
from pipeline.io.web.guarded_http import (
    CHUNK_BYTES,
    MAX_REDIRECTS,
    NotFound,
    capped_chunks,
)
from pipeline.io.web.index_rules import (
    FetchFailed,
    check_url,
    is_loopback,
    printable,
    without_credentials,
)
from pipeline.io.web.pages import AskLater, Page, Site, Validators

TRIES = 5
PAGE_BYTES = 50_000_000
# Of the first repetition; each later one waits twice as long, and a part more by chance.
BACKOFF_SECONDS = 0.5
SOCKET_SECONDS = 30.0
AGAIN = frozenset({429, 500, 502, 503, 504})
# The longest wait that can be named; what is left of `max_seconds` is shorter.
LONGEST_WAIT = 10**9
NO_RETRIES = Retry(total=False, redirect=False)


class WebSession:
    """Ask the addresses of one source, for at most `max_seconds` and `max_bytes` together.

    A page is held in memory, so it has a limit of its own.
    """

    def __init__(self, source: WebSection, *, max_bytes: int, page_bytes: int = PAGE_BYTES) -> None:
        self._page_bytes = page_bytes
        self._source = source
        self._site = Site(source.url, None, source.allow_private)
        self._headers = _secret_headers(source)
        self._deadline = time.monotonic() + source.max_seconds
        self._left_bytes = max_bytes
        self._session = RedirectlessSession()
        self._session.trust_env = False
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self._session.verify = bundle or True
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, GuardedAdapter(self._site, NO_RETRIES))

    def __enter__(self) -> "WebSession":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def get(self, url: str, validators: Validators, *, accept: str) -> Page:
        """Return what an address serves; it is asked again where the server says so, or breaks off.

        Raises FetchFailed with the reason when it may not or cannot be read, NotFound when nothing is there,
        TooLarge for more bytes than are left.
        """
        for number in range(1, TRIES + 1):
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise FetchFailed(f"does not finish within {self._source.max_seconds:,} s (`max_seconds`)")
            try:
                return within(left, functools.partial(self._get, url, validators, accept))
            except Interrupted as reason:
                self._wait(reason, number)
        raise AssertionError  # the last try raises

    def _wait(self, reason: Interrupted, number: int) -> None:
        seconds = BACKOFF_SECONDS * 2 ** (number - 1) * random.uniform(1, 1.5)
        if isinstance(reason, AskLater) and reason.seconds is not None:
            seconds = reason.seconds
        if number == TRIES:
            raise FetchFailed(f"{reason}, {TRIES} times") from reason
        left = max(self._deadline - time.monotonic(), 0)
        if seconds >= left:
            raise FetchFailed(
                f"{reason}; the next try would come in {seconds:,.0f} s, and {left:,.0f} s are left of "
                "`max_seconds`"
            ) from reason
        logs.get("collect").warning(
            "web.retry", source=self._source.name, reason=str(reason), seconds=round(seconds, 1)
        )
        time.sleep(seconds)

    def _get(self, url: str, validators: Validators, accept: str) -> Page:
        with self._follow(url, validators.headers | {"Accept": accept}) as response:
            if response.status_code == requests.codes.not_modified:
                if not validators.headers:
                    raise FetchFailed("responds with status 304, though nothing of it is kept")
                return Page(response.url or url, None, response.headers)
            return Page(response.url or url, self._body(response), response.headers)

    def _body(self, response: requests.Response) -> bytes:
        # Unlike read, read1 returns what has come, so that the deadline is looked at.
        read = functools.partial(response.raw.read1, CHUNK_BYTES, decode_content=True)
        content = bytearray()
        for chunk in capped_chunks(read, self._left_bytes, self._deadline):
            content += chunk
            if len(content) > self._page_bytes:
                raise FetchFailed(
                    f"serves a page of more than {self._page_bytes:,} bytes; ask for smaller ones in "
                    "`url`, as by per_page=100"
                )
        expected = response.headers.get("Content-Length", "")
        if (
            not response.headers.get("Content-Encoding")
            and expected.isdigit()
            and len(content) < int(expected[:18])
        ):
            raise Interrupted("broke off (before its last byte)")
        self._left_bytes -= len(content)
        return bytes(content)

    def _follow(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        asked: list[str] = []
        while True:
            check_url(url, self._site, previous=asked[-1] if asked else url)
            asked.append(url)
            response = self._send(url, headers)
            if not response.is_redirect:
                return _accepted(response, url)
            # Its body is not read: it may have no end.
            response.close()
            with reasons():
                target = without_credentials(urljoin(url, response.headers["Location"])).partition("#")[0]
            _check_redirect(target, asked)
            url = target

    def _send(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        own = self._headers if _origin(url) == _origin(self._source.url) else {}
        left = self._deadline - time.monotonic()
        with reasons():
            return self._session.get(
                url,
                auth=no_auth,
                headers={"User-Agent": "tonewatch", "Accept-Encoding": "gzip, identity", **headers, **own},
                timeout=max(0.1, min(SOCKET_SECONDS, left)),
                proxies={} if is_loopback(urlsplit(url).hostname or "") else get_environ_proxies(url),
                allow_redirects=False,
                stream=True,
            )


def _accepted(response: requests.Response, url: str) -> requests.Response:
    status = response.status_code
    if status in (requests.codes.ok, requests.codes.not_modified):
        return response
    response.close()
    if status in AGAIN:
        raise AskLater(f"responds with status {status}", _retry_after(response.headers))
    if status in (requests.codes.not_found, requests.codes.gone):
        raise NotFound(f"has nothing at {printable(urlsplit(url).path)} (status {status})")
    hint = ""
    if status in (requests.codes.unauthorized, requests.codes.forbidden):
        hint = "; name the variable that holds a key: `headers: {Authorization: NAME}`"
    raise FetchFailed(f"responds with status {status}{hint}")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    written = headers.get("Retry-After", "")
    try:
        # Python reads no number of thousands of digits.
        return Retry(retry_after_max=LONGEST_WAIT).parse_retry_after(written[:40]) if written else None
    except (InvalidHeader, ValueError, OverflowError, TypeError):
        return None


def _check_redirect(target: str, asked: list[str]) -> None:
    if target in asked:
        raise FetchFailed("redirects in a circle")
    if len(asked) > MAX_REDIRECTS:
        raise FetchFailed(f"redirects more than {MAX_REDIRECTS} times")
    scheme = urlsplit(target).scheme
    if scheme != urlsplit(asked[-1]).scheme:
        shown = printable(target.partition("?")[0])
        hint = f". If you trust it, write `url: {shown}`" if scheme == "https" else ""
        raise FetchFailed(f"redirects to another scheme ({scheme or 'none'}){hint}")


def _secret_headers(source: WebSection) -> Mapping[str, str]:
    values: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for name, variable in source.headers.items():
        value = os.environ.get(variable, "").strip()
        if not value:
            raise SourceUnreachable(
                f"source {source.name}: the variable {variable}, which holds the header {name}, is not set. "
                f"Type: export {variable}=VALUE"
            )
        if not value.isascii() or not value.isprintable():
            raise SourceUnreachable(
                f"source {source.name}: the variable {variable} holds what no header can: a line break, or a "
                f"character beyond ASCII. Type: export {variable}=VALUE"
            )
        remember_secret(value)
        values[name] = value
    return dict(values)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
