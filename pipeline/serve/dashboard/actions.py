"""Sign-in and the actions of an admin: roll back or approve a release, after a preview and a confirmation."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import Form, Request
from starlette.responses import Response

from pipeline.base.errors import TonewatchError
from pipeline.operations.dashboard.actions import (
    MAX_REASON,
    ActionKind,
    Confirmation,
    Session,
    perform_action,
    preview_action,
)
from pipeline.serve.dashboard import cookies
from pipeline.serve.dashboard.context import (
    DashboardContext,
    redirect,
    redirect_to_sign_in,
    reject_forged_form,
    render_message,
    render_page,
    status_of,
)

FormText = Annotated[str, Form()]
RELEASE = re.compile(r"R[1-9][0-9]{0,8}")
# A path of this host; browsers read // and /\ as another host's address.
OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
TITLES: Mapping[ActionKind, str] = {"rollback": "Roll back to {}", "approve": "Approve {}"}
BUTTONS: Mapping[ActionKind, str] = {
    "rollback": "Roll back to {}",
    "approve": "Approve {} and put it in service",
}


def sign_in_page(context: DashboardContext, request: Request, next: str = "/") -> Response:
    """Show the sign-in form."""
    return _sign_in_form(context, request, next)


def sign_in(
    context: DashboardContext, request: Request, key: FormText = "", next: FormText = "/"
) -> Response:
    """Check an API key once and start a session for it."""
    if rejection := reject_forged_form(context, request, None, ""):
        return rejection
    cookie = context.sessions.open(key.strip(), now=datetime.now(UTC))
    if cookie is None:
        return _sign_in_form(context, request, next, error="This API key is unknown, expired or revoked.")
    context.sessions.close(cookies.read_cookie(request, context.sessions))
    response = redirect(request, _own_path(next))
    minutes = context.cfg.dashboard.session_minutes
    cookies.set_cookie(request, response, context.sessions, cookie, minutes=minutes)
    return response


def sign_out(context: DashboardContext, request: Request, csrf_token: FormText = "") -> Response:
    """End the session."""
    session = cookies.current_session(request, context.sessions)
    if session and (rejection := reject_forged_form(context, request, session, csrf_token)):
        return rejection
    response = redirect(request, "/sign-in")
    context.sessions.close(cookies.read_cookie(request, context.sessions))
    cookies.delete_cookie(request, response, context.sessions)
    return response


def action_page(context: DashboardContext, request: Request, kind: str, release: str) -> Response:
    """Preview an action and ask to confirm it."""
    action = _action(kind, release)
    if action is None:
        return render_message(request, "Not found", [], status=404)
    session, rejection = _admit_admin(context, request)
    return rejection or _action_form(context, request, session, action, release)


def submit_action(
    context: DashboardContext,
    request: Request,
    kind: str,
    release: str,
    *,
    csrf_token: FormText = "",
    confirmation: FormText = "",
    reason: FormText = "",
    expected: FormText = "",
) -> Response:
    """Perform a confirmed action and show the result."""
    action = _action(kind, release)
    if action is None:
        return render_message(request, "Not found", [], status=404)
    session, rejection = _admit_admin(context, request)
    if session is None:
        return rejection or redirect_to_sign_in(request)
    if rejection := reject_forged_form(context, request, session, csrf_token):
        return rejection
    confirmed = Confirmation(
        release=release,
        typed=confirmation,
        expected_champion=expected,
        reason=reason,
        actor=f"{session.name} ({session.key})",
    )
    try:
        result = perform_action(context.workspace, action, confirmed)
    except TonewatchError as error:
        return _action_form(
            context, request, session, action, release, error=error, reason=reason[:MAX_REASON]
        )
    before = f" instead of {result.move.origin}" if result.move.origin else ""
    sentences = [f"{result.move.target} is the champion{before}. The service loads it by itself."]
    sentences += [f"Pending: {why}" for why in result.pending]
    return render_message(request, "Done", sentences, back="/#champion", session=session)


def _action(kind: str, release: str) -> ActionKind | None:
    return cast(ActionKind, kind) if kind in TITLES and RELEASE.fullmatch(release) else None


def _admit_admin(context: DashboardContext, request: Request) -> tuple[Session | None, Response | None]:
    """Return the session of an admin, or the response that rejects the request."""
    session = cookies.current_session(request, context.sessions)
    if session is None:
        return None, redirect_to_sign_in(request)
    if session.is_admin:
        return session, None
    sentences = [f"The key {session.name} lacks the scope admin, which this action requires."]
    return None, render_message(
        request, "Not allowed", sentences, status=403, back="/#champion", session=session
    )


def _action_form(
    context: DashboardContext,
    request: Request,
    session: Session | None,
    kind: ActionKind,
    release: str,
    *,
    error: TonewatchError | None = None,
    reason: str = "",
) -> Response:
    try:
        preview = preview_action(context.workspace, kind, release)
    except TonewatchError as failure:
        preview, error = None, error or failure
    return render_page(
        request,
        "action.html.j2",
        status=status_of(error) if error else 200,
        session=session,
        kind=kind,
        release=release,
        title=TITLES[kind].format(release),
        button=BUTTONS[kind].format(release),
        preview=preview,
        error=str(error or ""),
        reason=reason,
        max_reason=MAX_REASON,
    )


def _sign_in_form(context: DashboardContext, request: Request, target: str, *, error: str = "") -> Response:
    if not context.sessions.has_keys():
        error = "There are no API keys yet. Create one with `tonewatch keys new --scope admin`."
    return render_page(
        request,
        "sign-in.html.j2",
        status=401 if error else 200,
        show_sign_in=False,
        next=_own_path(target),
        minutes=context.cfg.dashboard.session_minutes,
        error=error,
    )


def _own_path(target: str) -> str:
    return target if OWN_PATH.fullmatch(target) else "/"


ROUTES: Mapping[tuple[str, str], Callable[..., Response]] = {
    ("GET", "/sign-in"): sign_in_page,
    ("POST", "/sign-in"): sign_in,
    ("POST", "/sign-out"): sign_out,
    ("GET", "/actions/{kind}/{release}"): action_page,
    ("POST", "/actions/{kind}/{release}"): submit_action,
}
