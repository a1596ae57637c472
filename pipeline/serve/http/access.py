"""Authorize requests: a policy per route, API keys, and limits on how many requests a client sends."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Literal, Protocol

from pipeline.base.config import ServeConfig
from pipeline.base.hosts import parse_host
from pipeline.serve.http.errors import QUEUE_RETRY_SECONDS, HttpError, queue_full

# open: anybody.
# reading: any valid key, or a signed-in person.
# predict, feedback: a key of that scope.
# pages: the dashboard authorizes by its own sessions.
Policy = Literal["open", "reading", "predict", "feedback", "pages"]

POLICIES: dict[str, Policy] = {
    "POST /v1/predict": "predict",
    "POST /v1/feedback": "feedback",
    "GET /v1/release": "reading",
    "GET /v1/prevalence": "reading",
    "GET /metrics": "reading",
    "GET /openapi.json": "reading",
    "GET /docs": "reading",
    "GET /docs/{name}": "reading",
    "GET /healthz": "open",
    "GET /readyz": "open",
    "GET /": "pages",
    "GET /topics/{topic:path}": "pages",
    "GET /releases/{release}": "pages",
    "GET /try": "pages",
    "POST /try": "pages",
    "GET /sign-in": "pages",
    "POST /sign-in": "pages",
    "POST /sign-out": "pages",
    "GET /actions/{kind}/{release}": "pages",
    "POST /actions/{kind}/{release}": "pages",
    "GET /labels": "pages",
    "POST /labels": "pages",
    "GET /assets/{name}": "pages",
}
ANY_SCOPE = ("predict", "feedback", "label", "admin")


class CheckedKey(Protocol):
    """The result of checking a key."""

    @property
    def client(self) -> str:
        """Return the id of the key."""

    @property
    def rejection(self) -> str:
        """Return why the key is rejected, empty where it is accepted."""


class KeyChecker(Protocol):
    """Check API keys against the current list of keys."""

    def any(self) -> bool:
        """Return whether any key was ever created."""

    def check(self, secret: str, scope: str, *, now: datetime) -> CheckedKey:
        """Check a secret for a scope."""


MAX_LIMITED_CLIENTS = 10_000  # the ones heard of last; a client forgotten before starts afresh


class AccessGuard:
    """Admit or reject requests; every one but an open one needs a key, on this machine too.

    Requests that a proxy on this machine passes on come from loopback as well, so loopback proves nothing.
    `hosts`: the only names of this service beside loopback ones; None allows every well-formed one.
    """

    def __init__(
        self,
        keys: KeyChecker,
        cfg: ServeConfig,
        *,
        hosts: Collection[str] | None,
        now: Callable[[], datetime],
    ) -> None:
        self._keys = keys
        self._cfg = cfg
        self._now = now
        self._hosts = hosts
        self._limiter = RateLimiter(cfg.requests_per_minute, max_clients=MAX_LIMITED_CLIENTS)
        self._in_progress: dict[str, int] = {}
        self._waits = Waits(max_clients=MAX_LIMITED_CLIENTS)

    def admit(
        self, policy: Policy, secret: str, *, hosts: Collection[str], address: str, signed_in: str
    ) -> str:
        """Return the client of a request: its key, or its address where it has none.

        `hosts` are the values of its Host headers, `signed_in` is the key of its session, if any. Raises
        HttpError: 401 for a missing or invalid key, 403 for a key without the scope or a foreign or malformed
        Host header, 429 above the rate limit.
        """
        self._check_host(hosts)
        address = _address(address)
        try:
            client = self._client(policy, secret, address, signed_in)
        except HttpError:
            # Failed attempts count by address, so that nobody finds a key by trying.
            self._count_request(address)
            raise
        if policy != "open":
            self._count_request(client)
        return client

    def enter(self, client: str) -> None:
        """Count a request in progress; raises HttpError 429 when the client has too many."""
        if self._in_progress.get(client, 0) >= self._cfg.concurrent_requests:
            message = f"More than {self._cfg.concurrent_requests} requests in progress. Wait for responses."
            raise HttpError(429, message, retry_after=1)
        self._in_progress[client] = self._in_progress.get(client, 0) + 1

    def leave(self, client: str) -> None:
        """Count a request as done."""
        self._in_progress[client] -= 1
        if not self._in_progress[client]:
            del self._in_progress[client]

    def turn_away(self, client: str) -> HttpError:
        """Return the error of a client whose texts do not fit into the queue; from now on it has to wait."""
        self._waits.begin(client, QUEUE_RETRY_SECONDS)
        return queue_full()

    def seconds_to_wait(self, client: str) -> float:
        """Return how long a client that was turned away has still to wait."""
        return self._waits.left(client)

    def _check_host(self, hosts: Collection[str]) -> None:
        host = parse_host(next(iter(hosts))) if len(hosts) == 1 else None
        if host is None:
            raise HttpError(403, "The Host header is missing or malformed.")
        if self._hosts is not None and not host.is_loopback and host.name not in self._hosts:
            message = "This service has another name. TONEWATCH_DASHBOARD sets its public address."
            raise HttpError(403, message)

    def _count_request(self, client: str) -> None:
        if wait := self._limiter.hit(client):
            message = f"More than {self._cfg.requests_per_minute} requests per minute. Retry later."
            raise HttpError(429, message, retry_after=max(1, math.ceil(wait)))

    def _client(self, policy: Policy, secret: str, address: str, signed_in: str) -> str:
        if policy == "pages" and signed_in:
            # Behind a proxy everybody may have one address; a key's requests to the API are counted apart.
            return f"{signed_in} {policy}"
        if policy in ("open", "pages"):
            return address
        if policy == "reading" and signed_in and not secret:
            return signed_in
        rejection = ""
        for scope in ANY_SCOPE if policy == "reading" else (policy,):
            checked = self._keys.check(secret, scope, now=self._now())
            if not checked.rejection:
                return checked.client
            rejection = checked.rejection
        if rejection == "scope":
            raise HttpError(403, f"This API key lacks the scope {policy}.")
        # One message for unknown, expired and revoked keys: it tells a guesser nothing.
        raise HttpError(401, "Missing or invalid API key. Send it as `Authorization: Bearer KEY`.")


class RateLimiter:
    """Allow each client so many requests in any minute, all of them at once too.

    The generic cell rate algorithm keeps one number a client (ITU-T I.371, 1993). The `limits` library keeps
    every client for ever and follows the wall clock, which may be set back.
    """

    def __init__(
        self, per_minute: int, *, max_clients: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 60.0 / per_minute
        self._max_clients = max_clients
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when a client's allowance is whole again

    def __len__(self) -> int:
        """Return how many clients are known."""
        return len(self._full_at)

    def hit(self, client: str) -> float:
        """Count a request; return 0, or how many seconds to wait for one that is not allowed."""
        now = self._clock()
        full_at = max(self._full_at.get(client, now), now) + self._interval
        wait = full_at - now - 60.0
        if wait <= 1e-9:
            wait, self._full_at[client] = 0.0, full_at
        if client in self._full_at:
            self._full_at.move_to_end(client)
        if len(self._full_at) > self._max_clients:
            self._full_at.popitem(last=False)
        return wait


class Waits:
    """Hold until when clients were asked to wait, of those asked last."""

    def __init__(self, *, max_clients: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_clients = max_clients
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    def begin(self, client: str, seconds: float) -> None:
        """Ask a client to wait from now on."""
        self._until[client] = self._clock() + seconds
        self._until.move_to_end(client)
        if len(self._until) > self._max_clients:
            self._until.popitem(last=False)

    def left(self, client: str) -> float:
        """Return how many seconds a client has still to wait."""
        return max(0.0, self._until.get(client, 0.0) - self._clock())


def _address(address: str) -> str:
    """Return an address as it is written once; a proxy may pass on anything."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return "unknown"
