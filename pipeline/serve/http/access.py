"""Who may ask what: a policy for every route, keys, and limits on how much and how often."""

import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from pipeline.base.config import ServeConfig

# open: anybody · reading: anybody on this machine, any key beyond it · predict, feedback: on this machine anybody while there are
# no keys, else that scope · pages: the dashboard sees to itself, by sessions
Policy = Literal["open", "reading", "predict", "feedback", "pages"]

POLICIES: dict[str, Policy] = {
    "POST /v1/predict": "predict",
    "POST /v1/feedback": "feedback",
    "GET /v1/release": "reading",
    "GET /metrics": "reading",
    "GET /openapi.json": "reading",
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
    "GET /acts/{kind}/{release}": "pages",
    "POST /acts/{kind}/{release}": "pages",
    "GET /assets/{name}": "pages",
}
# What a key of any scope may read.
ANY_SCOPE = ("predict", "feedback", "admin")


class CheckedKey(Protocol):
    """Say whose key it is, or why it is refused."""

    @property
    def client(self) -> str:
        """Name the client."""

    @property
    def refused(self) -> str:
        """Say why it is refused; empty where it is not."""


class KeyChecker(Protocol):
    """Check keys as they are now."""

    def any(self) -> bool:
        """Say whether there are keys at all."""

    def check(self, told: str, scope: str, *, now: datetime) -> CheckedKey:
        """Say whose key it is, if it opens this scope."""


@dataclass(frozen=True)
class HttpError(Exception):
    """Say no: with a status, in words, and when to come back."""

    status: int
    error: str
    retry_after: int | None = None


class AccessGuard:
    """Let requests in, or say why not. `loopback` tells whether only this machine can ask at all."""

    def __init__(
        self, keys: KeyChecker, cfg: ServeConfig, *, loopback: bool, now: Callable[[], datetime]
    ) -> None:
        self._keys = keys
        self._cfg = cfg
        self._now = now
        self.loopback = loopback
        self._rate = MovingWindowRateLimiter(MemoryStorage())
        self._per_minute = RateLimitItemPerMinute(cfg.requests_per_minute)
        self._running: dict[str, int] = {}

    def admit(self, policy: Policy, key: str, *, host: str, client: str) -> str:
        """Name the client whose request this is.

        Raises Refusal: 401 without a key that is known, 403 with one that does not reach so far or for a foreign host name, 429
        when it asks too often.
        """
        if self.loopback and not is_loopback(host):
            raise HttpError(
                403, "This service answers on this machine only; ask it as 127.0.0.1 or localhost."
            )
        try:
            name = self._client(policy, key, client)
        except HttpError:
            # Whoever tries keys is counted by address, so that no key is found by trying.
            self._count(client)
            raise
        if policy != "open":
            self._count(name)
        return name

    def enter(self, name: str) -> None:
        """Count a request that is being answered; raises Refusal when a client has too many of them."""
        if self._running.get(name, 0) >= self._cfg.concurrent_requests:
            raise HttpError(
                429,
                f"More than {self._cfg.concurrent_requests} requests at once. Wait for their answers.",
                retry_after=1,
            )
        self._running[name] = self._running.get(name, 0) + 1

    def leave(self, name: str) -> None:
        """Count it no more."""
        self._running[name] -= 1
        if not self._running[name]:
            del self._running[name]

    def _count(self, name: str) -> None:
        if not self._rate.hit(self._per_minute, name):
            wait = self._rate.get_window_stats(self._per_minute, name).reset_time - time.time()
            said = f"More than {self._cfg.requests_per_minute} requests within a minute. Ask again later."
            raise HttpError(429, said, retry_after=max(1, math.ceil(wait)))

    def _client(self, policy: Policy, key: str, client: str) -> str:
        free = self.loopback and (policy == "reading" or not self._keys.any())
        if policy in ("open", "pages") or (free and not key):
            return client
        scopes = ANY_SCOPE if policy == "reading" else (policy,)
        refused = ""
        for scope in scopes:
            checked = self._keys.check(key, scope, now=self._now())
            if not checked.refused:
                return checked.client
            refused = checked.refused
        if refused == "scope":
            raise HttpError(403, f"This key does not reach so far; it takes one with the scope {policy}.")
        # Unknown, expired and revoked sound alike to a stranger.
        raise HttpError(
            401, "A key is needed, and this is none that is valid. Send it as `Authorization: Bearer KEY`."
        )


def is_loopback(host: str) -> bool:
    """Say whether a name or address, with or without a port, is this machine's own."""
    name = host.rpartition(":")[0] if host.count(":") == 1 or "]:" in host else host
    name = name.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
