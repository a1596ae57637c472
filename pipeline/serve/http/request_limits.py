"""What every request passes through: size and time of its body, its policy, the headers of its answer, one shape for every error."""

import asyncio
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.base import logs
from pipeline.base.config import ServeConfig
from pipeline.serve.api.errors import send_error
from pipeline.serve.http.access import AccessGuard, HttpError, Policy
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


class RequestLimits:
    """Let a request through to the app, or answer it with the refusal."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        guard: AccessGuard,
        cfg: ServeConfig,
        meters: ServiceMetrics,
        policy_of: Callable[[Scope], tuple[str, Policy | None]],
        request_id: Callable[[], str],
    ) -> None:
        self._app = app
        self._guard = guard
        self._cfg = cfg
        self._meters = meters
        self._policy_of = policy_of
        self._request_id = request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route, policy = self._policy_of(scope)
        began, status, name = time.monotonic(), 500, self._request_id()
        scope.setdefault("state", {})["request"] = name

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._let_in(policy, scope, receive, told)
        except HttpError as refusal:
            await send_error(refusal, told, request=name)
        except Exception as error:
            # Where it happened is for us to find; what was sent stays out of the log and of the answer.
            log.error("fault", route=route, request=name, why=type(error).__name__, at=_line(error))
            if status == 500:
                await send_error(
                    HttpError(500, "The service failed at this request. It was logged under it."),
                    told,
                    request=name,
                )
        finally:
            self._meters.requests.labels(route, str(status)).inc()
            self._meters.seconds.labels(route).observe(time.monotonic() - began)

    async def _let_in(self, policy: Policy | None, scope: Scope, receive: Receive, send: Send) -> None:
        if policy is None:
            raise HttpError(404, "There is nothing here. See /openapi.json.")
        headers = Headers(scope=scope)
        key = headers.get("authorization", "")
        secret = key[len(BEARER) :].strip() if key[: len(BEARER)].lower() == BEARER else ""
        address = (scope.get("client") or ("unknown",))[0]
        client = self._guard.admit(policy, secret, host=headers.get("host", ""), client=address)
        scope["state"]["client"] = client
        if policy == "open":
            await self._app(scope, receive, send)
            return
        self._guard.enter(client)
        try:
            body = await self._body(headers, receive)
            await self._app(scope, _again(body, receive), send)
        finally:
            self._guard.leave(client)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        most = self._cfg.max_body_kilobytes * 1000
        too_much = HttpError(
            413, f"The body is larger than {self._cfg.max_body_kilobytes} kB. Send less at once."
        )
        if headers.get("content-encoding", "identity") != "identity":
            raise HttpError(415, "A body must come as it is, not compressed.")
        if int(told) > most if (told := headers.get("content-length", "")).isdecimal() else False:
            raise too_much
        try:
            async with asyncio.timeout(self._cfg.request_seconds):
                return await _received(receive, most, too_much)
        except TimeoutError:
            raise HttpError(408, f"The body took longer than {self._cfg.request_seconds:.0f} s.") from None


async def _received(receive: Receive, most: int, too_much: HttpError) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "The connection ended before the body did.")
        body += message.get("body", b"")
        if len(body) > most:
            raise too_much
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Hand the app the body that was read, and after it whatever else comes."""
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


def _line(error: Exception) -> str:
    """Say in which line it happened, without a value of it."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return f"{Path(last[0].filename).name}:{last[0].lineno}" if last else ""
