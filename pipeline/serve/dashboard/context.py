"""What every page of the dashboard needs: whom it is for, whether a form is our own, and the headers it travels with."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipeline.base.config import ServeConfig, Workspace
from pipeline.base.errors import ChampionChanged, Fault, TonewatchError, UsageError
from pipeline.inference.champion import LoadedRelease
from pipeline.operations.dashboard_actions import Session, SessionStore
from pipeline.operations.dashboard_data import DashboardData
from pipeline.serve.dashboard import forms as sessions
from pipeline.serve.dashboard import pages


@dataclass(frozen=True)
class DashboardContext:
    """Hold all that the dashboard needs.

    `serving` raises Unreachable as long as nothing can answer; `loopback` says that only this machine can ask at all.
    """

    workspace: Workspace
    overview: DashboardData
    sessions: SessionStore
    serving: Callable[[], LoadedRelease]
    cfg: ServeConfig
    loopback: bool
    # One page is drawn at a time: however many look on, the answers of the service wait for one at most.
    drawing: threading.Lock = field(default_factory=threading.Lock)


def admit_reader(context: DashboardContext, request: Request) -> tuple[Session | None, Response | None]:
    """Say who reads, or where to send whom: on this machine everybody may read, beyond it whoever has shown a key of any scope."""
    reader = sessions.current_session(request, context.sessions)
    return (reader, None) if reader or context.loopback else (None, to_sign_in(request))


def to_sign_in(request: Request) -> Response:
    """Ask for a key first; after it one lands where one wanted to go, but a form that was sent is not sent again."""
    target = quote(request.url.path if request.method == "GET" else "/", safe="")
    return RedirectResponse(f"/sign-in?next={target}", status_code=303, headers={"Cache-Control": "no-store"})


def reject_forged_form(request: Request, reader: Session | None, token: str) -> Response | None:
    """Refuse a form that our own page did not send in this session; None where it did."""
    if sessions.is_same_origin(request) and (reader is None or sessions.is_valid_token(reader, token)):
        return None
    sentences = [
        "This form did not come from a page of this service in your session, so nothing was done. Load the page again."
    ]
    return render_page(
        "told.html.j2", status=403, heading="Refused", sentences=sentences, back="/", reader=reader
    )


def render_page(template: str, *, status: int = 200, **values: Any) -> Response:
    """Answer with a page and the headers that bind it."""
    return HTMLResponse(pages.render_template(template, **values), status_code=status, headers=pages.HEADERS)


def status_of(error: TonewatchError) -> int:
    """Give the status of an error: 400 where the person can mend it, 503 where the world outside has to, 409 where the answer is no."""
    return (
        400
        if isinstance(error, UsageError)
        else 503
        if isinstance(error, Fault) and not isinstance(error, ChampionChanged)
        else 409
    )
