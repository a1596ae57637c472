"""Time-outs below the app: end requests whose head is too slow or too large, and bound open connections.

The bound keeps a flood of idle connections from taking memory from requests that are served.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_CONNECTIONS = 4096  # each costs about 14 kB, an idle one too
MAX_HEAD = 32_768  # bytes of a request line and its headers
# Bytes of a rejected body that are still read, so that a slightly too large one keeps its connection.
MAX_DRAINED = 8_000_000
DRAIN_SECONDS = 1.0
RESPONSE = (
    b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
)


class TimeoutProtocol(HttpToolsProtocol):
    """Speak HTTP/1.1 and wait up to `seconds` for the head of a request; the app bounds the body."""

    def __init__(self, *args: Any, seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds = seconds
        self._head_timer: asyncio.TimerHandle | None = None
        self._drain_timer: asyncio.TimerHandle | None = None
        self._head_bytes = self._drained_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request; reject a connection above the limit."""
        super().connection_made(transport)
        self._start_timer()
        if len(self.connections) > MAX_CONNECTIONS:
            self._reject(b"503 Service Unavailable", b"Too many open connections. Retry in a moment.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the head of this request."""
        super().on_message_begin()
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; reject a head that is too large."""
        if self._head_timer is not None:
            self._head_bytes += len(data)
        elif self._drain_timer is not None:
            self._drained_bytes += len(data)
            if self._drained_bytes > MAX_DRAINED:
                self.flow.pause_reading()
        super().data_received(data)
        if self._head_timer is not None and self._head_bytes > MAX_HEAD:
            if self._idle():
                self._reject(b"431 Request Header Fields Too Large", b"The headers are too large.")
            else:  # pipelined: the previous request has no response yet
                self.transport.close()

    def on_headers_complete(self) -> None:
        """Pass the request to the app."""
        self._stop_timer()
        self._head_bytes = 0
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait a moment for the rest of a rejected body, then close the connection."""
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            self._drain_timer, self._drained_bytes = (
                self.loop.call_later(DRAIN_SECONDS, self.transport.close),
                0,
            )

    def on_message_complete(self) -> None:
        """Keep the connection when the rest of a rejected body has arrived."""
        super().on_message_complete()
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None
            self._start_timer()

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start_timer(self) -> None:
        self._stop_timer()
        self._head_timer = self.loop.call_later(self._seconds, self._time_out)

    def _time_out(self) -> None:
        if self._idle():
            self._reject(b"408 Request Timeout", b"The request head took too long.")
        else:  # the previous request is in progress
            self._start_timer()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _reject(self, status: bytes, message: bytes) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            body = b'{"error": "%b", "request": ""}' % message
            self.transport.write(RESPONSE % (status, len(body), body))
            self.transport.close()
