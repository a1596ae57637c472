"""Authorize requests: a policy per route, API keys, and limits on how many requests a client sends."""

import ipaddress
import math
import time
from collections.abc import Callable
from datetime import datetime
from typing import Literal, Protocol

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from pipeline.base.config import ServeConfig
from pipeline.serve.http.errors import HttpError

# open: anybody.
# reading: anybody on this machine; from other machines any valid key.
# predict, feedback: a key of that scope; on this machine anybody while no keys exist.
# pages: the dashboard authorizes by its own sessions.
Policy = Literal["open", "reading", "predict", "feedback", "pages"]

POLICIES: dict[str, Policy] = {
    "POST /v1/predict": "predict",
    "POST /v1/feedback": "feedback",
    "GET /v1/release": "reading",
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
    "GET /assets/{name}": "pages",
}
ANY_SCOPE = ("predict", "feedback", "admin")


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


class AccessGuard:
    """Admit or reject requests. `loopback`: only this machine reaches the service."""

    def __init__(
        self, keys: KeyChecker, cfg: ServeConfig, *, loopback: bool, now: Callable[[], datetime]
    ) -> None:
        self._keys = keys
        self._cfg = cfg
        self._now = now
        self.loopback = loopback
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._per_minute = RateLimitItemPerMinute(cfg.requests_per_minute)
        self._in_progress: dict[str, int] = {}

    def admit(self, policy: Policy, secret: str, *, host: str, address: str) -> str:
        """Return the client of a request: the id of its key, or its address where no key is needed.

        Raises HttpError: 401 for a missing or invalid key, 403 for a key without the scope or a foreign
        Host header, 429 above the rate limit.
        """
        if self.loopback and not is_loopback(host):
            raise HttpError(403, "This service accepts requests to 127.0.0.1 or localhost only.")
        try:
            client = self._client(policy, secret, address)
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

    def _count_request(self, client: str) -> None:
        if not self._limiter.hit(self._per_minute, client):
            wait = self._limiter.get_window_stats(self._per_minute, client).reset_time - time.time()
            message = f"More than {self._cfg.requests_per_minute} requests per minute. Retry later."
            raise HttpError(429, message, retry_after=max(1, math.ceil(wait)))

    def _client(self, policy: Policy, secret: str, address: str) -> str:
        keyless = self.loopback and (policy == "reading" or not self._keys.any())
        if policy in ("open", "pages") or (keyless and not secret):
            return address
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


def is_loopback(host: str) -> bool:
    """Return whether a host name or address, with or without a port, is a loopback one."""
    name = host.rpartition(":")[0] if host.count(":") == 1 or "]:" in host else host
    name = name.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
