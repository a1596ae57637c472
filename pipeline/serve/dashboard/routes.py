"""Pages of the dashboard: monitoring, releases, and a text to explain; no script or other host is needed."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, Response

from pipeline.base.errors import TonewatchError, UsageError
from pipeline.operations.dashboard.actions import explain, method_named
from pipeline.operations.dashboard.data import Card
from pipeline.release.reports import render_report
from pipeline.serve.dashboard import actions, labels, pages
from pipeline.serve.dashboard.context import (
    DashboardContext,
    admit_reader,
    reject_forged_form,
    render_message,
    render_page,
    status_of,
)

SIGN_IN_FIRST: Card[dict[str, Any]] = Card(
    fault="Sign in with a key of scope predict or admin to explain a text."
)
OCCLUSION = "occlusion"
EXPLAIN_WAIT_SECONDS = 5.0
CACHE_A_YEAR = "public, max-age=31536000, immutable"
FormText = Annotated[str, Form()]


def dashboard_router(context: DashboardContext) -> APIRouter:
    """Create the routes of the dashboard; the OpenAPI document does not list them."""
    router = APIRouter(include_in_schema=False)
    routes: Mapping[tuple[str, str], Callable[..., Response]] = {
        ("GET", "/"): home,
        ("GET", "/topics/{topic:path}"): home,
        ("GET", "/releases/{release}"): report,
        ("GET", "/try"): home,
        ("POST", "/try"): try_text,
        **actions.ROUTES,
        **labels.ROUTES,
    }
    for (method, path), handler in routes.items():
        router.add_api_route(
            path,
            functools.partial(handler, context),
            methods=[method],
            response_model=None,
            name=handler.__name__,
        )
    router.add_api_route("/assets/{name}", asset, methods=["GET"], response_model=None)
    return router


def home(context: DashboardContext, request: Request, topic: str | None = None) -> Response:
    """Show the dashboard of all topics or of one."""
    session, rejection = admit_reader(context, request)
    if rejection:
        return rejection
    cards = context.data.cards()
    with context.drawing:
        values = context.data.page(cards, topic)
        params = values["params"].value
        return render_page(
            request,
            "dashboard.html.j2",
            status=200 if values["known"] else 404,
            **values,
            **_explanation_values(context, "", None),
            session=session,
            topic_name=pages.topic_name(values["topic"]),
            topic_links=[
                (name, pages.topic_name(name), pages.topic_address(name)) for name in values["topics"]
            ],
            budget=params and params.watch,
            confidence=f"{params.watch.confidence:.0%}" if params else "the",
        )


def report(context: DashboardContext, request: Request, release: str) -> Response:
    """Show the report of a release as `tonewatch report` writes it, but without any text of the data."""
    _, rejection = admit_reader(context, request)
    if rejection:
        return rejection
    try:
        with context.drawing:
            html, policy = render_report(context.workspace, release)
    except TonewatchError as error:
        unknown = isinstance(error, UsageError)
        status = 404 if unknown else status_of(error)
        heading = "Unknown release" if unknown else "Report not available"
        return render_message(request, heading, [str(error)], status=status)
    policy = f"{policy}; frame-ancestors 'none'"
    return HTMLResponse(html, headers={**pages.HEADERS, "Content-Security-Policy": policy})


def asset(request: Request, name: str) -> Response:
    """Return the style sheet, the script or the icon."""
    if name not in pages.CONTENT_TYPES:
        return render_message(request, "Not found", [], status=404)
    headers = {**pages.HEADERS, "Cache-Control": CACHE_A_YEAR}
    return Response(pages.asset(name), media_type=pages.CONTENT_TYPES[name], headers=headers)


def try_text(
    context: DashboardContext,
    request: Request,
    text: FormText = "",
    *,
    method: FormText = OCCLUSION,
    csrf_token: FormText = "",
    fragment: int = 0,
) -> Response:
    """Predict and explain one text, as a page or as a fragment of one.

    The text is not stored, so that monitoring sees real texts only.
    """
    session, rejection = admit_reader(context, request)
    if rejection:
        return rejection
    template = "explanation.html.j2" if fragment else "explanation-page.html.j2"
    if not (session and session.can_predict):
        values = _explanation_values(context, "", SIGN_IN_FIRST)
        return render_page(request, template, status=403, session=session, **values)
    if rejection := reject_forged_form(context, request, session, csrf_token):
        return rejection
    explanation = _explain(context, text, method)
    values = _explanation_values(context, text[: context.cfg.max_characters], explanation, method)
    return render_page(request, template, status=200 if explanation.value else 400, session=session, **values)


def _explain(context: DashboardContext, text: str, method: str) -> Card[dict[str, Any]]:
    if not text.strip():
        return Card(fault="There is no text. Write one.")
    if len(text) > context.cfg.max_characters:
        return Card(fault=f"The text is longer than {context.cfg.max_characters:,} characters. Shorten it.")
    try:
        release = context.serving()
    except TonewatchError as error:
        return Card(fault=str(error))
    if not context.explaining.acquire(timeout=EXPLAIN_WAIT_SECONDS):
        return Card(fault="Another text is being explained. Retry in a moment.")
    try:
        most = context.cfg.dashboard.explained_words
        explanation = explain(context.workspace, release, text, method=method_named(method), most=most)
    except TonewatchError as error:
        return Card(fault=str(error))
    finally:
        context.explaining.release()
    return Card(pages.describe_explanation(explanation, release.name))


def _explanation_values(
    context: DashboardContext, text: str, explanation: Card[dict[str, Any]] | None, method: str = OCCLUSION
) -> dict[str, Any]:
    return {
        "explanation": explanation and asdict(explanation),
        "explained_text": text,
        "explained_by": method,
        "max_characters": context.cfg.max_characters,
    }
