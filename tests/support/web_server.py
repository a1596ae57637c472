"""A web server on loopback whose replies are set by path; it records what it is asked."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = BaseHTTPRequestHandler
Reply = Callable[[Handler], None]


class WebServer:
    """`replies` holds a reply, or several that come one after the other, for a path with its query."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply | list[Reply]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handle(Handler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, dict(self.headers)))
                reply = outer.replies.get(self.path, lambda one: one.send_error(404))
                if isinstance(reply, list):
                    reply = reply.pop(0) if len(reply) > 1 else reply[0]
                with contextlib.suppress(OSError):  # the client hung up, as it should
                    reply(self)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handle)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def paths(self) -> list[str]:
        """Return the paths that were asked for, in order."""
        return [path for path, _ in self.asked]

    def stop(self) -> None:
        """Close the port."""
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def running_web_server() -> Iterator[WebServer]:
    """Yield a server that is stopped at the end."""
    server = WebServer()
    try:
        yield server
    finally:
        server.stop()


def send(content: bytes, status: int = 200, **headers: str) -> Reply:
    """Reply with a body; an underscore in the name of a header is a hyphen."""

    def reply(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return reply


def send_json(document: Any, **headers: str) -> Reply:
    """Reply with a document; with an ETag, a request that names it gets 304."""
    content = json.dumps(document).encode()

    def reply(handler: Handler) -> None:
        same = "ETag" in headers and handler.headers["If-None-Match"] == headers["ETag"]
        send(b"" if same else content, 304 if same else 200, Content_Type="application/json", **headers)(
            handler
        )

    return reply


def redirect(location: str, status: int = 302) -> Reply:
    """Redirect with a body that has no end."""

    def reply(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Location", location)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(65_536))

    return reply


def endless(handler: Handler) -> None:
    """Reply with a body that has no end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65_536)


def hang_up(handler: Handler) -> None:
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"[{")
