"""Error handlers of the app: each error becomes `{"error": sentence, "request": id}`, without any input."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from pipeline.base import logs
from pipeline.base.errors import TonewatchError, Unreachable
from pipeline.serve.api.schemas import FeedbackRequest, PredictRequest, TextItem
from pipeline.serve.http.errors import error_body

log = logs.get("serve")
QUERY = {"since", "until", "format"}  # of /v1/prevalence, beside `topic`
FIELDS = {
    *PredictRequest.model_fields,
    *TextItem.model_fields,
    *FeedbackRequest.model_fields,
    *QUERY,
}
SHAPES = {"text", "item"}  # of an entry of `texts`: pydantic puts the one it chose behind the index
MAX_ERRORS = 5


def add_error_handlers(app: FastAPI) -> None:
    """Register the handlers for invalid bodies, HTTP errors and our own errors."""
    app.add_exception_handler(RequestValidationError, _invalid_body)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(TonewatchError, _own_error)


def _invalid_body(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    message = "; ".join(f"{_field(one['loc'])}: {one['msg']}" for one in error.errors()[:MAX_ERRORS])
    return JSONResponse(error_body(message, request.state.request), 422)


def _field(location: tuple[int | str, ...]) -> str:
    if location[1:2] == ("texts",) and location[3:4] and location[3] in SHAPES:
        location = (*location[:3], *location[4:])
    # A name that is no field of ours is the client's, and may contain anything.
    names = [str(name) if isinstance(name, int) or name in FIELDS else "?" for name in location[1:]]
    return ".".join(names) or "the body"


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    body = error_body(str(error.detail), request.state.request)
    return JSONResponse(body, error.status_code, headers=dict(error.headers or {}))


def _own_error(request: Request, error: Exception) -> JSONResponse:
    request_id, message = request.state.request, str(error)
    if not isinstance(error, Unreachable):
        # It may name folders of this machine, which clients must not see.
        log.error("request.failed", request=request_id, why=message)
        message = "The service cannot handle this request now. The error is logged under this request id."
    return JSONResponse(error_body(message, request_id), 503, headers={"retry-after": "1"})
