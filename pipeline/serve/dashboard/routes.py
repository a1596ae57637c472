"""The dashboard: what is watched, who serves and why, and a text to try. Its pages are drawn here and need no network and no script."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, Response

from pipeline.base.errors import TonewatchError, WrongUse
from pipeline.operations.dashboard_actions import Session, explain
from pipeline.operations.dashboard_data import Part
from pipeline.release.reports import drawn_report
from pipeline.serve.dashboard import actions, pages
from pipeline.serve.dashboard.context import Desk, admitted, page, refused_form, status_of

NO_KEY = Part(fault="Sign in with a key of scope predict or admin first; then a text is answered.")
A_YEAR = "public, max-age=31536000, immutable"
Text = Annotated[str, Form()]


def dashboard(desk: Desk) -> APIRouter:
    """Make the routes of the dashboard; none of them is part of the API."""
    router = APIRouter(include_in_schema=False)
    found: Mapping[tuple[str, str], Callable[..., Response]] = {
        ("GET", "/"): home,
        ("GET", "/topics/{topic:path}"): home,
        ("GET", "/releases/{release}"): report,
        ("GET", "/try"): home,
        ("POST", "/try"): try_text,
        **actions.ROUTES,
    }
    for (method, path), endpoint in found.items():
        router.add_api_route(path, functools.partial(endpoint, desk), methods=[method], response_model=None, name=endpoint.__name__)
    router.add_api_route("/assets/{name}", asset, methods=["GET"], response_model=None)
    return router


def home(desk: Desk, request: Request, topic: str | None = None) -> Response:
    """Show the whole page, of all topics or of one."""
    reader, stopped = admitted(desk, request)
    if stopped:
        return stopped
    parts = desk.overview.parts()
    with desk.drawing:
        return _drawn(desk, desk.overview.drawn(parts, topic), reader)


def _drawn(desk: Desk, found: Mapping[str, Any], reader: Session | None) -> Response:
    params = found["params"].value
    values = {
        **found,
        "reader": reader,
        "topic_name": pages.topic_name(found["topic"]),
        "topic_links": [(name, pages.topic_name(name), pages.topic_address(name)) for name in found["topics"]],
        "budget": params and params.watch.drift,
        "confidence": f"{params.watch.confidence:.0%}" if params else "the",
    }
    return page("dashboard.html.j2", status=200 if found["known"] else 404, **values, **_trying(desk, "", None))


def report(desk: Desk, request: Request, release: str) -> Response:
    """Show how a release was judged: its report, as `tonewatch report` writes it, but with no text of anyone."""
    _, stopped = admitted(desk, request)
    if stopped:
        return stopped
    try:
        with desk.drawing:
            drawn, policy = drawn_report(desk.places, release)
    except TonewatchError as error:
        status, heading = (404, "There is no such release") if isinstance(error, WrongUse) else (status_of(error), "Not now")
        return page("told.html.j2", status=status, heading=heading, sentences=[str(error)], back="/")
    return HTMLResponse(drawn, headers={**pages.HEADERS, "Content-Security-Policy": f"{policy}; frame-ancestors 'none'"})


def asset(name: str) -> Response:
    """Give the style, the script or the icon; nothing else lies at such an address."""
    if name not in pages.TYPES:
        return page("told.html.j2", status=404, heading="There is nothing here", sentences=[], back="/")
    return Response(pages.asset(name), media_type=pages.TYPES[name], headers={**pages.HEADERS, "Cache-Control": A_YEAR})


def try_text(desk: Desk, request: Request, text: Text = "", token: Text = "", part: int = 0) -> Response:
    """Answer one text and say which of its words mattered; it is kept nowhere, so that the watch sees only real texts."""
    reader, stopped = admitted(desk, request)
    if stopped:
        return stopped
    if desk.sessions.guarded() and not (reader and reader.may_ask):
        return page("tried-part.html.j2" if part else "tried-page.html.j2", status=403, reader=reader, **_trying(desk, "", NO_KEY))
    if forged := refused_form(request, reader, token):
        return forged
    tried = _tried(desk, text)
    template = "tried-part.html.j2" if part else "tried-page.html.j2"
    return page(template, status=200 if tried.value else 400, reader=reader, **_trying(desk, text[: desk.cfg.max_characters], tried))


def _tried(desk: Desk, text: str) -> Part:
    if not text.strip():
        return Part(fault="There is no text to answer. Write one.")
    if len(text) > desk.cfg.max_characters:
        return Part(fault=f"The text is longer than {desk.cfg.max_characters:,} characters. Shorten it.")
    try:
        serving = desk.serving()
    except TonewatchError as error:
        return Part(fault=str(error))
    found = explain(serving.predictor, text, most=desk.cfg.dashboard.explained_words)
    return Part(pages.worded({**found, "release": serving.name}))


def _trying(desk: Desk, text: str, tried: Part | None) -> dict[str, Any]:
    return {"tried": tried and asdict(tried), "tried_text": text, "most_characters": desk.cfg.max_characters}
