"""The connection below the app: a request whose head comes too slowly, or is too large, is ended before anybody else has to wait.

How many lines may be open is bounded, so that a flood of them takes no memory from those that are answered.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_LINES = 4096  # each costs some 14 kB, also one that says nothing
MOST_HEAD = 32_768  # bytes of an address and its headers
MOST_REST = 8_000_000  # bytes of a body that are taken after it was refused, so that a small excess does not cost the line
LINGER_SECONDS = 1.0
ANSWER = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"


class TimeoutProtocol(HttpToolsProtocol):
    """Speak HTTP/1.1, and wait so many seconds for the head of a request; what comes after it is for the app to bound."""

    def __init__(self, *arguments: Any, seconds: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._seconds = seconds
        self._late: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._head = self._swallowed = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first request; a line too many is told so and closed."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > MOST_LINES:
            self._end(b"503 Service Unavailable", b"Too many connections are open. Come back in a moment.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the head of this request."""
        super().on_message_begin()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what comes, as long as it is not too much of a head."""
        if self._late is not None:
            self._head += len(data)
        elif self._rest is not None:
            self._swallowed += len(data)
            if self._swallowed > MOST_REST:
                self.flow.pause_reading()
        super().data_received(data)
        if self._late is not None and self._head > MOST_HEAD:
            if self._idle():
                self._end(b"431 Request Header Fields Too Large", b"The headers are too large.")
            else:  # one that is sent before the answer to another
                self.transport.close()

    def on_headers_complete(self) -> None:
        """Hand the request to the app."""
        self._wait_no_more()
        self._head = 0
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Give the rest of a body that was refused before it ended a moment to come, and then close the line."""
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            self._rest, self._swallowed = self.loop.call_later(LINGER_SECONDS, self.transport.close), 0

    def on_message_complete(self) -> None:
        """Keep the line where the rest did come."""
        super().on_message_complete()
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
            self._wait()

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._wait_no_more()
        self._late = self.loop.call_later(self._seconds, self._too_late)

    def _too_late(self) -> None:
        if self._idle():
            self._end(b"408 Request Timeout", b"The request took too long to come.")
        else:  # the one before it is being answered
            self._wait()

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self, status: bytes, why: bytes) -> None:
        self._wait_no_more()
        if not self.transport.is_closing():
            body = b'{"error": "%b", "request": ""}' % why
            self.transport.write(ANSWER % (status, len(body), body))
            self.transport.close()
