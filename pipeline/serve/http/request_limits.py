"""ASGI middleware for every request: access, body limits, security headers, metrics, and errors."""

import asyncio
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.base import logs
from pipeline.base.config import ServeConfig
from pipeline.serve.http.access import AccessGuard, Policy
from pipeline.serve.http.errors import HttpError, queue_full, send_error
from pipeline.serve.runtime.metrics import ServiceMetrics

log = logs.get("serve")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
BEARER = "bearer "
# To parse a larger body holds the event loop for milliseconds. Such bodies go one by one, with room in
# between for small requests; to clean texts of that length takes longer than this.
LARGE_BYTES = 50_000
LARGE_SECONDS = 0.02
SESSIONS = ("reading", "pages")  # the policies under which a session names the client


class RequestLimits:
    """Pass admitted requests on to the app; answer others with an error.

    `policy_of` maps an ASGI scope to a route and its policy, `request_id` creates the id of a request,
    `signed_in` returns the key of a scope's session, empty without one.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        guard: AccessGuard,
        cfg: ServeConfig,
        metrics: ServiceMetrics,
        policy_of: Callable[[Scope], tuple[str, Policy | None]],
        request_id: Callable[[], str],
        signed_in: Callable[[Scope], str],
    ) -> None:
        self._app = app
        self._guard = guard
        self._cfg = cfg
        self._metrics = metrics
        self._policy_of = policy_of
        self._request_id = request_id
        self._signed_in = signed_in
        self._large_bodies = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route, policy = self._policy_of(scope)
        start, status, request = time.monotonic(), 500, self._request_id()
        scope.setdefault("state", {})["request"] = request

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._handle(policy, scope, receive, send_with_headers)
        except HttpError as error:
            await send_error(error, send_with_headers, request=request)
        except Exception as error:
            # The log names the place of the error; what the client sent stays out of log and response.
            log.error(
                "request.failed", route=route, request=request, why=type(error).__name__, at=_place(error)
            )
            if status == 500:
                failure = HttpError(500, "Internal error. It is logged under this request id.")
                await send_error(failure, send_with_headers, request=request)
        finally:
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(time.monotonic() - start)

    async def _handle(self, policy: Policy | None, scope: Scope, receive: Receive, send: Send) -> None:
        if policy is None:
            raise HttpError(404, "Not found. See /openapi.json.")
        headers = Headers(scope=scope)
        authorization = headers.get("authorization", "")
        bearer = authorization[: len(BEARER)].lower() == BEARER
        secret = authorization[len(BEARER) :].strip() if bearer else ""
        address = (scope.get("client") or ("unknown",))[0]
        client = self._guard.admit(
            policy,
            secret,
            hosts=headers.getlist("host"),
            address=address,
            signed_in=self._signed_in(scope) if policy in SESSIONS else "",
        )
        scope["state"]["client"] = client
        if policy == "open":
            await self._app(scope, receive, send)
            return
        self._guard.enter(client)
        try:
            if policy == "predict":
                await self._hold_back(client)
            body = await self._read_body(headers, receive)
            if len(body) > LARGE_BYTES:
                async with self._large_bodies:
                    await asyncio.sleep(LARGE_SECONDS)
            await self._app(scope, _replay(body, receive), send)
        finally:
            self._guard.leave(client)

    async def _hold_back(self, client: str) -> None:
        """Answer a client that does not wait as it was asked to, once the time is over and without its body.

        To read and parse again and again what is refused would delay everybody else.
        """
        if wait := self._guard.seconds_to_wait(client):
            await asyncio.sleep(wait)
            raise queue_full()

    async def _read_body(self, headers: Headers, receive: Receive) -> bytes:
        max_bytes = self._cfg.max_body_kilobytes * 1000
        too_large = HttpError(413, f"The body is larger than {self._cfg.max_body_kilobytes} kB. Send less.")
        if headers.get("content-encoding", "identity") != "identity":
            raise HttpError(415, "Compressed bodies are not supported.")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > max_bytes:
            raise too_large
        try:
            async with asyncio.timeout(self._cfg.request_seconds):
                return await _receive_body(receive, max_bytes, too_large)
        except TimeoutError:
            message = f"The body took longer than {self._cfg.request_seconds:.0f} s."
            raise HttpError(408, message) from None


async def _receive_body(receive: Receive, max_bytes: int, too_large: HttpError) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "The connection closed before the body was complete.")
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise too_large
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return an ASGI receive that yields a body already read, then what comes after it."""
    replayed = False

    async def receive_again() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _place(error: Exception) -> str:
    """Return the file and line where an error occurred, without any value."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return f"{Path(last[0].filename).name}:{last[0].lineno}" if last else ""
