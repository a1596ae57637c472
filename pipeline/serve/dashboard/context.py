"""What all pages of the dashboard share: data, access, rejection of forged forms, and rendering."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette._utils import get_route_path
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipeline.base.config import ServeConfig, Workspace
from pipeline.base.errors import ChampionChanged, Fault, TonewatchError, UsageError
from pipeline.inference.champion import LoadedRelease
from pipeline.operations.dashboard.actions import Session, SessionStore
from pipeline.operations.dashboard.data import DashboardData
from pipeline.serve.dashboard import cookies, csrf, pages

NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class DashboardContext:
    """Hold what the dashboard needs.

    `serving` returns the release in service and raises Unreachable while there is none. `origin` is that of
    the public address, as https://mood.example.org, empty without one.
    """

    workspace: Workspace
    data: DashboardData
    sessions: SessionStore
    serving: Callable[[], LoadedRelease]
    cfg: ServeConfig
    origin: str
    # Pages are drawn one at a time, so that many readers slow predictions down by one page at most.
    drawing: threading.Lock = field(default_factory=threading.Lock)
    # An explanation predicts a text many times, beside the queues of the service.
    explaining: threading.Lock = field(default_factory=threading.Lock)


def admit_reader(context: DashboardContext, request: Request) -> tuple[Session | None, Response | None]:
    """Return the session of a reader, or the response that rejects the request.

    Who is signed in with a key of any scope may read.
    """
    session = cookies.current_session(request, context.sessions)
    return (session, None) if session else (None, redirect_to_sign_in(request))


def redirect_to_sign_in(request: Request) -> Response:
    """Redirect to the sign-in page, and from there to the requested page; a form is not sent again."""
    target = quote(get_route_path(request.scope) if request.method == "GET" else "/", safe="")
    return redirect(request, f"/sign-in?next={target}")


def redirect(request: Request, path: str) -> Response:
    """Redirect to a path of the service, below the prefix at which a proxy serves it."""
    return RedirectResponse(f"{base_of(request)}{path}", status_code=303, headers=NO_STORE)


def base_of(request: Request) -> str:
    """Return the path below which a proxy serves the app, empty without one."""
    return str(request.scope.get("root_path", ""))


def reject_forged_form(
    context: DashboardContext, request: Request, session: Session | None, token: str
) -> Response | None:
    """Return the response that rejects a forged form; None where the form is our own."""
    if csrf.is_own_form(request, session, token, origin=context.origin):
        return None
    message = "This form does not belong to your session. Nothing was changed; reload the page."
    return render_message(request, "Form rejected", [message], status=403, session=session)


def render_message(
    request: Request,
    heading: str,
    sentences: list[str],
    *,
    status: int = 200,
    back: str = "/",
    session: Session | None = None,
) -> Response:
    """Return a page with a heading, some sentences and a link back."""
    values = {"heading": heading, "sentences": sentences, "back": back, "session": session}
    return render_page(request, "message.html.j2", status=status, **values)


def render_page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page with its security headers."""
    html = pages.render_template(template, base=base_of(request), **values)
    return HTMLResponse(html, status_code=status, headers=pages.HEADERS)


def status_of(error: TonewatchError) -> int:
    """Return the HTTP status of an error: 400 for wrong use, 503 for a fault outside, 409 for a refusal."""
    if isinstance(error, UsageError):
        return 400
    return 503 if isinstance(error, Fault) and not isinstance(error, ChampionChanged) else 409
