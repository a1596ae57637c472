"""Signing in, and what only an admin may do: go back to a release, or let one serve that waits. Each act is shown before it is done."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from pipeline.base.errors import TonewatchError
from pipeline.operations.dashboard_actions import (
    MAX_REASON,
    ActionKind,
    Session,
    perform_action,
    preview_action,
)
from pipeline.serve.dashboard import forms
from pipeline.serve.dashboard.context import (
    DashboardContext,
    reject_forged_form,
    render_page,
    status_of,
    to_sign_in,
)

Text = Annotated[str, Form()]
RELEASE = re.compile(r"R[1-9][0-9]{0,8}")
# What a browser takes for another machine's address is none of ours.
OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
WORDS = {
    "rollback": {"title": "Roll back to {release}", "button": "Roll back to {release}"},
    "approve": {"title": "Approve {release}", "button": "Approve {release} and let it serve"},
}


def sign_in_page(context: DashboardContext, next: str = "/") -> Response:
    """Ask for a key."""
    return _asking(context, next)


def sign_in(context: DashboardContext, request: Request, key: Text = "", next: Text = "/") -> Response:
    """Take a key once and give a session for it."""
    if forged := reject_forged_form(request, None, ""):
        return forged
    cookie = context.sessions.open(key.strip(), now=datetime.now(UTC))
    if cookie is None:
        return _asking(
            context, next, fault="This is no key that opens anything here: unknown, expired or revoked."
        )
    context.sessions.close(forms.cookie_of(request))
    answer = RedirectResponse(_own(next), status_code=303, headers={"Cache-Control": "no-store"})
    forms.sign_in(request, answer, cookie, minutes=context.cfg.dashboard.session_minutes)
    return answer


def sign_out(context: DashboardContext, request: Request, token: Text = "") -> Response:
    """End the session."""
    reader = forms.current_session(request, context.sessions)
    if reader and (forged := reject_forged_form(request, reader, token)):
        return forged
    answer = RedirectResponse("/sign-in", status_code=303, headers={"Cache-Control": "no-store"})
    forms.sign_out(request, answer, context.sessions)
    return answer


def action_page(context: DashboardContext, request: Request, kind: str, release: str) -> Response:
    """Show what an act would do, and ask to confirm it."""
    reader, stopped = _admin(context, request, kind, release)
    return stopped or _confirming(context, reader, kind, release)


def submit_action(
    context: DashboardContext,
    request: Request,
    kind: str,
    release: str,
    *,
    token: Text = "",
    typed: Text = "",
    reason: Text = "",
    expected: Text = "",
) -> Response:
    """Do what was confirmed, and say what came of it."""
    reader, stopped = _admin(context, request, kind, release)
    if reader is None:
        return stopped or to_sign_in(request)
    if forged := reject_forged_form(request, reader, token):
        return forged
    words: dict[str, Any] = {
        "expected": expected,
        "typed": typed,
        "reason": reason,
        "actor": f"{reader.name} ({reader.key})",
    }
    try:
        moved = perform_action(context.workspace, cast(ActionKind, kind), release, **words)
    except TonewatchError as error:
        return _confirming(
            context,
            reader,
            kind,
            release,
            fault=str(error),
            reason=reason[:MAX_REASON],
            status=status_of(error),
        )
    sentences = [
        f"{moved.move.target} is in service instead of {moved.move.origin or 'nothing'}; the service takes it up by itself."
    ]
    sentences += [f"To be done later: {why}" for why in moved.pending]
    return render_page("told.html.j2", heading="Done", sentences=sentences, back="/#champion", reader=reader)


def _admin(
    context: DashboardContext, request: Request, kind: str, release: str
) -> tuple[Session | None, Response | None]:
    """Let in an admin to an act that there is; the key behind the session is looked at anew each time."""
    if kind not in WORDS or not RELEASE.fullmatch(release):
        return None, render_page(
            "told.html.j2", status=404, heading="There is nothing here", sentences=[], back="/"
        )
    reader = forms.current_session(request, context.sessions)
    if reader is None:
        return None, to_sign_in(request)
    if reader.admin:
        return reader, None
    sentences = [f"The key {reader.name} may look and not act; this asks for one of scope admin."]
    return None, render_page(
        "told.html.j2",
        status=403,
        heading="Not with this key",
        sentences=sentences,
        back="/#champion",
        reader=reader,
    )


def _confirming(
    context: DashboardContext,
    reader: Session | None,
    kind: str,
    release: str,
    *,
    fault: str = "",
    reason: str = "",
    status: int = 200,
) -> Response:
    try:
        steps: Mapping[str, Any] | None = preview_action(context.workspace, cast(ActionKind, kind), release)
    except TonewatchError as error:
        steps, fault, status = None, fault or str(error), status if fault else status_of(error)
    words = {name: told.format(release=release) for name, told in WORDS[kind].items()}
    values = {
        "kind": kind,
        "release": release,
        "words": words,
        "steps": steps,
        "fault": fault,
        "reason": reason,
    }
    return render_page("act.html.j2", status=status, reader=reader, most_reason=MAX_REASON, **values)


def _asking(context: DashboardContext, target: str, *, fault: str = "") -> Response:
    if not context.sessions.guarded():
        fault = (
            "There are no keys here yet. Make one with `tonewatch keys new --scope admin`, then come back."
        )
    values = {"next": _own(target), "minutes": context.cfg.dashboard.session_minutes, "fault": fault}
    return render_page("sign-in.html.j2", status=401 if fault else 200, signing=True, **values)


def _own(target: str) -> str:
    return target if OWN_PATH.fullmatch(target) else "/"


ROUTES: Mapping[tuple[str, str], Callable[..., Response]] = {
    ("GET", "/sign-in"): sign_in_page,
    ("POST", "/sign-in"): sign_in,
    ("POST", "/sign-out"): sign_out,
    ("GET", "/acts/{kind}/{release}"): action_page,
    ("POST", "/acts/{kind}/{release}"): submit_action,
}
