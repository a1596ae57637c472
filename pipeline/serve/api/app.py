"""Create the web app from what it is given, so that tests, a laptop and a cluster serve the same app."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pipeline import __version__
from pipeline.serve.api.docs import docs_router
from pipeline.serve.api.errors import add_error_handlers
from pipeline.serve.api.handlers import ApiHandlers, Service
from pipeline.serve.api.schemas import ErrorResponse, FeedbackResponse, PredictResponse, ReleaseResponse
from pipeline.serve.http.access import POLICIES, Policy
from pipeline.serve.http.path_prefix import PathPrefix
from pipeline.serve.http.request_limits import RequestLimits
from pipeline.serve.runtime.batcher import Batcher, BatchLanes
from pipeline.serve.runtime.preparation import Preparation

# What cleans, masks and detects the language loads its tables with the first text that needs them.
WARM_UP_TEXT = "<b>cafÃ©</b> &amp; 030 22732152, +44 20 7946 0958, DE89 3704 0044 0532 0130 00, a@example.com"
MEAN_CHARACTERS = 500  # of a queued text; longer ones fill the queue sooner
RETENTION_CHECK_SECONDS = 600
ERROR_STATUSES = (400, 401, 403, 408, 413, 415, 422, 429, 503)


def create_app(service: Service, routers: Sequence[APIRouter] = (), *, prefix: str = "") -> FastAPI:
    """Create the app; `routers` add pages that authorize their own readers.

    `prefix` is the path below which a proxy serves the app, whether or not it passes that path on.
    """
    preparing, batcher = _queues(service)
    # FastAPI's own docs pages load scripts from another host.
    app = FastAPI(
        title="Tonewatch",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(service, preparing, batcher),
    )
    _add_routes(app, ApiHandlers(service, preparing, batcher))
    for router in (docs_router(), *routers):
        # `include_router` would hide these routes behind one of its own; `policy_of` looks each of them up.
        app.router.routes.extend(router.routes)
    add_error_handlers(app)
    app.add_middleware(
        RequestLimits,
        guard=service.guard,
        cfg=service.cfg,
        metrics=service.metrics,
        policy_of=lambda scope: policy_of(app, scope),
        request_id=lambda: service.request_id(service.now()),
        signed_in=service.signed_in,
    )
    if prefix:
        app.add_middleware(PathPrefix, prefix=prefix)
    if proxies := list(service.cfg.trusted_proxies):
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=proxies)
    return app


def _queues(service: Service) -> tuple[Preparation, BatchLanes]:
    """Create the queues of texts: those to clean and mask, and those to predict."""
    cfg = service.cfg
    preparing = Preparation(
        hashed=cfg.journal.texts == "hash",
        min_words=service.min_words,
        key=service.journal_key,
        max_characters=max(cfg.max_queued_texts * MEAN_CHARACTERS, cfg.max_texts * (cfg.max_characters + 1)),
        seconds=cfg.request_seconds,
    )
    lane = functools.partial(
        Batcher,
        service.champion.serving,
        batch_size=cfg.max_batch_size,
        wait_ms=cfg.max_batch_wait_ms,
        max_queued=cfg.max_queued_texts,
    )
    small, large = lane(coming=lambda: preparing.short_queued), lane(coming=lambda: preparing.queued > 0)
    return preparing, BatchLanes(small, large)


def policy_of(app: FastAPI, scope: Scope) -> tuple[str, Policy | None]:
    """Return the route of a request, as `GET /v1/release`, and its policy.

    A known path with another method is `open`, so that the app answers 405. The policy is None where a route
    has none, and the route is `none` where no path matches.
    """
    other: tuple[str, Policy | None] = ("none", None)
    for route in app.router.routes:
        match, _ = route.matches(scope)
        if match != Match.NONE and (path := getattr(route, "path", None)):
            name = f"{scope['method']} {path}"
            if match == Match.FULL:
                return name, POLICIES.get(name)
            # A later route may have this method. Else the app answers 405 and names the allowed ones.
            other = name, "open"
    return other


def _lifespan(
    service: Service, preparing: Preparation, batcher: BatchLanes
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        jobs = (
            preparing.run(),
            batcher.run(),
            service.champion.refresh_every(service.cfg.reload_seconds),
            preparing.map("", [WARM_UP_TEXT], preparation=""),
            service.journal_health.watch(),
            _retain_daily(service),
        )
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(service.journal.close)

    return lifespan


async def _retain_daily(service: Service) -> None:
    """Apply the retention at the start and on every new day, until cancelled."""
    day = None
    while True:
        today = service.now().date()
        # What failed is tried again at the next check.
        if today != day and await asyncio.to_thread(service.retain, service.now()):
            day = today
        await asyncio.sleep(RETENTION_CHECK_SECONDS)


def _add_routes(app: FastAPI, handlers: ApiHandlers) -> None:
    errors: dict[int | str, dict[str, Any]] = {status: {"model": ErrorResponse} for status in ERROR_STATUSES}
    feedback_errors = {**errors, 404: {"model": ErrorResponse}, 409: {"model": ErrorResponse}}
    app.post(
        "/v1/predict", response_model=PredictResponse, response_model_exclude_none=True, responses=errors
    )(handlers.predict)
    app.post("/v1/feedback", response_model=FeedbackResponse, responses=feedback_errors)(handlers.feedback)
    app.get("/v1/release", response_model=ReleaseResponse, responses=errors)(handlers.release)
    app.get("/metrics", response_class=Response, include_in_schema=False)(handlers.metrics)
    app.get("/healthz", include_in_schema=False)(handlers.health)
    app.get("/readyz", include_in_schema=False)(handlers.ready)
