"""`python -m flows.prefect_app FD`: Prefect's server on a socket that its parent bound, behind a guard.

Prefect alone accepts any Host header and requests of every origin, and its password check has exceptions by
path. The guard asks for the secret before Prefect sees a request.
"""

import base64
import binascii
import hmac
import os
import socket
import sys
from typing import TYPE_CHECKING

from pipeline.base.hosts import parse_host

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

AUTH_VARIABLE = "PREFECT_SERVER_API_AUTH_STRING"
HEALTH = ("GET", "/api/health")
# Below these paths are the API and its description; the other paths are the files of Prefect's pages.
SECRET_PATHS = ("/api", "/docs", "/redoc", "/openapi.json")
STOP_SECONDS = 5


class SecretGuard:
    """Pass on requests to this machine's own address, from its own pages, and for the API with the secret.

    Prefect itself asks for the secret on a websocket, whose headers a browser cannot set.
    """

    def __init__(self, app: "ASGIApp", *, secret: str, port: int) -> None:
        self._app = app
        self._secret = secret.encode()
        self._port = port

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handle one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif status := self._rejection(scope):
            await _reject(scope, send, status)
        else:
            await self._app(scope, receive, send)

    def _rejection(self, scope: "Scope") -> int:
        """Return the status that rejects a request, 0 where it may pass."""
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        host = parse_host(hosts[0]) if len(hosts) == 1 else None
        if host is None or not host.is_loopback or host.port != self._port:
            return 403
        if any(name == b"origin" and value != f"http://{hosts[0]}" for name, value in headers):
            return 403
        path = scope["path"]
        is_api = any(path == start or path.startswith(f"{start}/") for start in SECRET_PATHS)
        if scope["type"] == "websocket" or not is_api or (scope["method"], path) == HEALTH:
            return 0
        secrets = [value for name, value in headers if name == b"authorization"]
        return 0 if len(secrets) == 1 and self._is_secret(secrets[0]) else 401

    def _is_secret(self, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, self._secret)


async def _reject(scope: "Scope", send: "Send", status: int) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "rejected"})
        return
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="Prefect of Tonewatch"'))
    body = (
        b'{"exception_message": "Unauthorized"}' if status == 401 else b'{"exception_message": "Forbidden"}'
    )
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main(handle: int) -> None:
    """Serve on an open listening socket until a signal arrives."""
    import uvicorn
    from prefect.server.api.server import create_app

    listener = socket.socket(fileno=handle)
    app = SecretGuard(
        create_app(final=True), secret=os.environ[AUTH_VARIABLE], port=listener.getsockname()[1]
    )
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]))
