"""One shape for all that goes wrong: what it was, in words, and the id under which it is logged; never anything that was sent."""

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Send

from pipeline.base import logs
from pipeline.base.errors import TonewatchError, Unreachable
from pipeline.serve.api.schemas import FeedbackRequest, PredictRequest
from pipeline.serve.http.access import HttpError

log = logs.get("serve")
FIELDS = {*PredictRequest.model_fields, *FeedbackRequest.model_fields}
MOST_FAULTS = 5


def add_error_handlers(app: FastAPI) -> None:
    """Let an app tell every error in this shape."""
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _plainly)
    app.add_exception_handler(TonewatchError, _fault)


async def send_error(refusal: HttpError, send: Send, *, request: str) -> None:
    """Answer with a refusal, where there is no app yet to do it."""
    content = json.dumps(error_body(refusal.error, request)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def error_body(error: str, request: str) -> dict[str, Any]:
    """Give the one shape of an error."""
    return {"error": error, "request": request}


def _not_valid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    told = "; ".join(f"{_place(one['loc'])}: {one['msg']}" for one in error.errors()[:MOST_FAULTS])
    return JSONResponse(error_body(told, request.state.request), 422)


def _place(location: tuple[int | str, ...]) -> str:
    # A name that is none of ours came from outside, and can hold anything.
    return (
        ".".join(str(part) if isinstance(part, int) or part in FIELDS else "?" for part in location[1:])
        or "the body"
    )


def _plainly(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse(
        error_body(str(error.detail), request.state.request),
        error.status_code,
        headers=dict(error.headers or {}),
    )


def _fault(request: Request, error: Exception) -> JSONResponse:
    name = request.state.request
    if isinstance(error, Unreachable):
        return JSONResponse(error_body(str(error), name), 503, headers={"retry-after": "1"})
    # It may name folders of this machine, which are nobody's business outside.
    log.error("fault", request=name, why=str(error))
    return JSONResponse(
        error_body("The service cannot do this now. It was logged under this request.", name),
        503,
        headers={"retry-after": "1"},
    )
