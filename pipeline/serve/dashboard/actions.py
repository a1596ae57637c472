"""Signing in, and what only an admin may do: go back to a release, or let one serve that waits. Each act is shown before it is done."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from pipeline.base.errors import TonewatchError
from pipeline.operations.dashboard_actions import MOST_REASON, Act, Session, act, foreseen
from pipeline.serve.dashboard import forms
from pipeline.serve.dashboard.context import Desk, page, refused_form, status_of, to_sign_in

Text = Annotated[str, Form()]
RELEASE = re.compile(r"R[1-9][0-9]{0,8}")
# What a browser takes for another machine's address is none of ours.
OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
WORDS = {
    "rollback": {"title": "Roll back to {release}", "button": "Roll back to {release}"},
    "approve": {"title": "Approve {release}", "button": "Approve {release} and let it serve"},
}


def sign_in_page(desk: Desk, next: str = "/") -> Response:
    """Ask for a key."""
    return _asking(desk, next)


def sign_in(desk: Desk, request: Request, key: Text = "", next: Text = "/") -> Response:
    """Take a key once and give a session for it."""
    if forged := refused_form(request, None, ""):
        return forged
    cookie = desk.sessions.open(key.strip(), now=datetime.now(UTC))
    if cookie is None:
        return _asking(desk, next, fault="This is no key that opens anything here: unknown, expired or revoked.")
    desk.sessions.close(forms.cookie_of(request))
    answer = RedirectResponse(_own(next), status_code=303, headers={"Cache-Control": "no-store"})
    forms.sign_in(request, answer, cookie, minutes=desk.cfg.dashboard.session_minutes)
    return answer


def sign_out(desk: Desk, request: Request, token: Text = "") -> Response:
    """End the session."""
    reader = forms.reader_of(request, desk.sessions)
    if reader and (forged := refused_form(request, reader, token)):
        return forged
    answer = RedirectResponse("/sign-in", status_code=303, headers={"Cache-Control": "no-store"})
    forms.sign_out(request, answer, desk.sessions)
    return answer


def act_page(desk: Desk, request: Request, kind: str, release: str) -> Response:
    """Show what an act would do, and ask to confirm it."""
    reader, stopped = _admin(desk, request, kind, release)
    return stopped or _confirming(desk, reader, kind, release)


def do_act(
    desk: Desk, request: Request, kind: str, release: str, *, token: Text = "", typed: Text = "", reason: Text = "", expected: Text = ""
) -> Response:
    """Do what was confirmed, and say what came of it."""
    reader, stopped = _admin(desk, request, kind, release)
    if reader is None:
        return stopped or to_sign_in(request)
    if forged := refused_form(request, reader, token):
        return forged
    words: dict[str, Any] = {"expected": expected, "typed": typed, "reason": reason, "actor": f"{reader.name} ({reader.key})"}
    try:
        moved = act(desk.places, cast(Act, kind), release, **words)
    except TonewatchError as error:
        return _confirming(desk, reader, kind, release, fault=str(error), reason=reason[:MOST_REASON], status=status_of(error))
    sentences = [f"{moved.move.target} is in service instead of {moved.move.origin or 'nothing'}; the service takes it up by itself."]
    sentences += [f"To be done later: {why}" for why in moved.pending]
    return page("told.html.j2", heading="Done", sentences=sentences, back="/#champion", reader=reader)


def _admin(desk: Desk, request: Request, kind: str, release: str) -> tuple[Session | None, Response | None]:
    """Let in an admin to an act that there is; the key behind the session is looked at anew each time."""
    if kind not in WORDS or not RELEASE.fullmatch(release):
        return None, page("told.html.j2", status=404, heading="There is nothing here", sentences=[], back="/")
    reader = forms.reader_of(request, desk.sessions)
    if reader is None:
        return None, to_sign_in(request)
    if reader.admin:
        return reader, None
    sentences = [f"The key {reader.name} may look and not act; this asks for one of scope admin."]
    return None, page("told.html.j2", status=403, heading="Not with this key", sentences=sentences, back="/#champion", reader=reader)


def _confirming(
    desk: Desk, reader: Session | None, kind: str, release: str, *, fault: str = "", reason: str = "", status: int = 200
) -> Response:
    try:
        steps: Mapping[str, Any] | None = foreseen(desk.places, cast(Act, kind), release)
    except TonewatchError as error:
        steps, fault, status = None, fault or str(error), status if fault else status_of(error)
    words = {name: told.format(release=release) for name, told in WORDS[kind].items()}
    values = {"kind": kind, "release": release, "words": words, "steps": steps, "fault": fault, "reason": reason}
    return page("act.html.j2", status=status, reader=reader, most_reason=MOST_REASON, **values)


def _asking(desk: Desk, target: str, *, fault: str = "") -> Response:
    if not desk.sessions.guarded():
        fault = "There are no keys here yet. Make one with `tonewatch keys new --scope admin`, then come back."
    values = {"next": _own(target), "minutes": desk.cfg.dashboard.session_minutes, "fault": fault}
    return page("sign-in.html.j2", status=401 if fault else 200, signing=True, **values)


def _own(target: str) -> str:
    return target if OWN_PATH.fullmatch(target) else "/"


ROUTES: Mapping[tuple[str, str], Callable[..., Response]] = {
    ("GET", "/sign-in"): sign_in_page,
    ("POST", "/sign-in"): sign_in,
    ("POST", "/sign-out"): sign_out,
    ("GET", "/acts/{kind}/{release}"): act_page,
    ("POST", "/acts/{kind}/{release}"): do_act,
}
