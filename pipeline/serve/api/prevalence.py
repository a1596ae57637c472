"""The route /v1/prevalence: the share of each label over time, as JSON or CSV."""

import csv
import functools
import io
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from pipeline.base.config import Workspace
from pipeline.base.spreadsheet import inert
from pipeline.monitoring.windows.prevalence_series import PrevalenceRow, read_prevalence
from pipeline.serve.api.schemas import ALL_TOPICS, ErrorResponse, Topic
from pipeline.serve.http.errors import HttpError

ERROR_STATUSES = (400, 401, 403, 404, 408, 422, 429, 503)
MAX_ROWS = 20_000  # of one response in JSON; CSV is streamed
CSV = "text/csv; charset=utf-8"


class PrevalenceResponse(BaseModel):
    """The series of a topic, the oldest window first; `complete` is False where it was cut at its end."""

    topic: str
    complete: bool
    points: list[PrevalenceRow]


def prevalence_router(workspace: Workspace) -> APIRouter:
    """Create the route over the window reports of a workspace."""
    router = APIRouter()
    router.add_api_route(
        "/v1/prevalence",
        functools.partial(prevalence, workspace),
        methods=["GET"],
        name="prevalence",
        response_model=PrevalenceResponse,
        responses={
            200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
            **{status: {"model": ErrorResponse} for status in ERROR_STATUSES},
        },
    )
    return router


def prevalence(
    workspace: Workspace,
    topic: Topic = ALL_TOPICS,
    since: datetime | None = None,
    until: datetime | None = None,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> Any:
    """Return the share of each label in the windows of a topic that start from `since` up to `until`."""
    rows = read_prevalence(workspace, topic, since=_aware(since), until=_aware(until))
    if format == "csv":
        return StreamingResponse(_csv(rows), media_type=CSV)
    points = list(islice(rows, MAX_ROWS + 1))
    if not points and not any(read_prevalence(workspace, topic)):
        raise HttpError(404, "No window has a prevalence of this topic. Topic `all` holds all texts.")
    return PrevalenceResponse(
        topic=topic,
        complete=len(points) <= MAX_ROWS,
        points=points[:MAX_ROWS],
    )


def _aware(time: datetime | None) -> datetime | None:
    """Return a time with an offset; one without is in UTC."""
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)


def _csv(rows: Iterable[PrevalenceRow]) -> Iterator[str]:
    names = [field.name for field in fields(PrevalenceRow)]
    yield _line(names)
    for row in rows:
        values = [getattr(row, name) for name in names]
        yield _line(["" if value is None else inert(str(value)) for value in values])


def _line(cells: list[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
