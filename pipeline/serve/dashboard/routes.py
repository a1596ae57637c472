"""The dashboard: what is watched, who serves and why, and a text to try. Its pages are drawn here and need no network and no script."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, Response

from pipeline.base.errors import TonewatchError, UsageError
from pipeline.operations.dashboard_actions import Session, explain
from pipeline.operations.dashboard_data import Card
from pipeline.release.reports import render_report
from pipeline.serve.dashboard import actions, pages
from pipeline.serve.dashboard.context import (
    DashboardContext,
    admit_reader,
    reject_forged_form,
    render_page,
    status_of,
)

NO_KEY = Card(fault="Sign in with a key of scope predict or admin first; then a text is answered.")
A_YEAR = "public, max-age=31536000, immutable"
Text = Annotated[str, Form()]


def dashboard_router(context: DashboardContext) -> APIRouter:
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
        router.add_api_route(
            path,
            functools.partial(endpoint, context),
            methods=[method],
            response_model=None,
            name=endpoint.__name__,
        )
    router.add_api_route("/assets/{name}", asset, methods=["GET"], response_model=None)
    return router


def home(context: DashboardContext, request: Request, topic: str | None = None) -> Response:
    """Show the whole page, of all topics or of one."""
    reader, stopped = admit_reader(context, request)
    if stopped:
        return stopped
    parts = context.overview.parts()
    with context.drawing:
        return _drawn(context, context.overview.drawn(parts, topic), reader)


def _drawn(context: DashboardContext, found: Mapping[str, Any], reader: Session | None) -> Response:
    params = found["params"].value
    values = {
        **found,
        "reader": reader,
        "topic_name": pages.topic_name(found["topic"]),
        "topic_links": [
            (name, pages.topic_name(name), pages.topic_address(name)) for name in found["topics"]
        ],
        "budget": params and params.watch.drift,
        "confidence": f"{params.watch.confidence:.0%}" if params else "the",
    }
    return render_page(
        "dashboard.html.j2", status=200 if found["known"] else 404, **values, **_trying(context, "", None)
    )


def report(context: DashboardContext, request: Request, release: str) -> Response:
    """Show how a release was judged: its report, as `tonewatch report` writes it, but with no text of anyone."""
    _, stopped = admit_reader(context, request)
    if stopped:
        return stopped
    try:
        with context.drawing:
            drawn, policy = render_report(context.workspace, release)
    except TonewatchError as error:
        status, heading = (
            (404, "There is no such release")
            if isinstance(error, UsageError)
            else (status_of(error), "Not now")
        )
        return render_page("told.html.j2", status=status, heading=heading, sentences=[str(error)], back="/")
    return HTMLResponse(
        drawn, headers={**pages.HEADERS, "Content-Security-Policy": f"{policy}; frame-ancestors 'none'"}
    )


def asset(name: str) -> Response:
    """Give the style, the script or the icon; nothing else lies at such an address."""
    if name not in pages.TYPES:
        return render_page(
            "told.html.j2", status=404, heading="There is nothing here", sentences=[], back="/"
        )
    return Response(
        pages.asset(name), media_type=pages.TYPES[name], headers={**pages.HEADERS, "Cache-Control": A_YEAR}
    )


def try_text(
    context: DashboardContext, request: Request, text: Text = "", token: Text = "", part: int = 0
) -> Response:
    """Answer one text and say which of its words mattered; it is kept nowhere, so that the watch sees only real texts."""
    reader, stopped = admit_reader(context, request)
    if stopped:
        return stopped
    if context.sessions.guarded() and not (reader and reader.may_ask):
        return render_page(
            "tried-part.html.j2" if part else "tried-page.html.j2",
            status=403,
            reader=reader,
            **_trying(context, "", NO_KEY),
        )
    if forged := reject_forged_form(request, reader, token):
        return forged
    tried = _tried(context, text)
    template = "tried-part.html.j2" if part else "tried-page.html.j2"
    return render_page(
        template,
        status=200 if tried.value else 400,
        reader=reader,
        **_trying(context, text[: context.cfg.max_characters], tried),
    )


def _tried(context: DashboardContext, text: str) -> Card:
    if not text.strip():
        return Card(fault="There is no text to answer. Write one.")
    if len(text) > context.cfg.max_characters:
        return Card(fault=f"The text is longer than {context.cfg.max_characters:,} characters. Shorten it.")
    try:
        serving = context.serving()
    except TonewatchError as error:
        return Card(fault=str(error))
    found = explain(serving.predictor, text, most=context.cfg.dashboard.explained_words)
    return Card(pages.describe_explanation({**found, "release": serving.name}))


def _trying(context: DashboardContext, text: str, tried: Card | None) -> dict[str, Any]:
    return {
        "tried": tried and asdict(tried),
        "tried_text": text,
        "most_characters": context.cfg.max_characters,
    }
