"""Error responses in one shape, JSON `{"error": sentence, "request": id}`, as they are sent below the app."""

import json
from dataclasses import dataclass

from starlette.types import Send

QUEUE_RETRY_SECONDS = 1


@dataclass(frozen=True)
class HttpError(Exception):
    """Reject a request with a status and a sentence; `retry_after` is in seconds."""

    status: int
    message: str
    retry_after: int | None = None


def queue_full() -> HttpError:
    """Return the error of a request whose texts do not fit into the queue."""
    return HttpError(503, "The queue of texts is full. Retry in a moment.", retry_after=QUEUE_RETRY_SECONDS)


def error_body(message: str, request: str) -> dict[str, str]:
    """Return the JSON body of an error response."""
    return {"error": message, "request": request}


async def send_error(error: HttpError, send: Send, *, request: str) -> None:
    """Send an error response to an ASGI server."""
    content = json.dumps(error_body(error.message, request)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
