"""Connections under guard: the address that a name led to is checked before anything is sent to it.

It imports requests, so it is imported where it is used.
"""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Retry

from pipeline.io.web.index_rules import FetchFailed, Index, check_address

# Of an index; a server must not make us wait: Retry-After is its word.
INDEX_RETRIES = Retry(
    total=3,
    backoff_factor=0.5,
    status_forcelist=(502, 503, 504),
    raise_on_status=False,
    respect_retry_after_header=False,
)


class Interrupted(FetchFailed):
    """The other side was not reached, or broke off: asking once more may help."""


class RedirectlessSession(requests.Session):
    """Follow no redirect: whoever asks looks at it first."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return no target: with one, requests reads the whole body of a redirect, even if it has no end."""


class GuardedAdapter(HTTPAdapter):
    """Check the address that a host name led to, after DNS and before the request."""

    def __init__(self, index: Index, retries: Retry = INDEX_RETRIES) -> None:
        self._index = index
        super().__init__(max_retries=retries)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make a pool of checked connections; those to a proxy come from another one."""
        super().init_poolmanager(*args, **kwargs)
        index = self._index

        class Checked:
            def _new_conn(self) -> socket.socket:
                connection: socket.socket = super()._new_conn()  # type: ignore[misc]
                try:
                    check_address(connection.getpeername()[0], index, host=self.host)  # type: ignore[attr-defined]
                except BaseException:
                    connection.close()
                    raise
                return connection

        class CheckedHTTP(Checked, HTTPConnection): ...

        class CheckedHTTPS(Checked, HTTPSConnection): ...

        class HTTPPool(HTTPConnectionPool):
            ConnectionCls = CheckedHTTP

        class HTTPSPool(HTTPSConnectionPool):
            ConnectionCls = CheckedHTTPS

        self.poolmanager.pool_classes_by_scheme = {"http": HTTPPool, "https": HTTPSPool}


@contextlib.contextmanager
def reasons() -> Iterator[None]:
    """Turn what the libraries raise into a reason without any address: it may hold a password."""
    try:
        yield
    except requests.RequestException as error:
        raise Interrupted(f"is not reachable ({type(error).__name__})") from error
    except urllib3.exceptions.HTTPError as error:
        raise Interrupted(f"broke off ({type(error).__name__})") from error
    except ValueError as error:
        raise FetchFailed("cannot be asked: its address or that of the proxy is malformed") from error


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send no credentials; with None requests would look for some."""
    return request
