"""The web service: an app made of what is handed in, so that a test, a laptop and a cluster serve the same one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from pipeline import __version__
from pipeline.base import logs
from pipeline.base.config import ServeConfig
from pipeline.base.records import Feedback, JournalEntry
from pipeline.inference.champion import LoadedRelease, journal_fields
from pipeline.serve.api.errors import add_error_handlers
from pipeline.serve.api.schemas import (
    RESERVED_TOPIC,
    ErrorResponse,
    FeedbackRequest,
    FeedbackResponse,
    Prediction,
    PredictRequest,
    PredictResponse,
    ReleaseResponse,
)
from pipeline.serve.http.access import POLICIES, AccessGuard, HttpError, Policy
from pipeline.serve.http.request_limits import RequestLimits
from pipeline.serve.runtime.batcher import Batcher, QueueFull
from pipeline.serve.runtime.champion import ChampionHolder
from pipeline.serve.runtime.metrics import ServiceMetrics

if TYPE_CHECKING:
    from pipeline.inference.champion import Predictions

log = logs.get("serve")
FIRST = "The first text takes long to be noted, and should be nobody's."
UNCERTAIN, STAMP = "uncertain", "%Y-%m-%dT%H:%M:%S.%fZ"
SHOWN = 16  # characters of a model's digest


class JournalWriter(Protocol):
    """Keep what was answered and told."""

    def append(self, answers: Sequence[JournalEntry]) -> None:
        """Keep answers."""

    def feedback(self, entries: Sequence[Feedback]) -> None:
        """Keep true labels."""

    def find(self, request: str, position: int) -> JournalEntry | None:
        """Give one answer by its name."""

    def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True)
class PredictedRequest:
    """Hold a request with its answers: those of the texts that begin at `begins` in a batch."""

    name: str
    client: str
    asked: PredictRequest
    serving: LoadedRelease
    answers: "Predictions"
    begins: int


@dataclass(frozen=True)
class Service:
    """Hold what the app is made of; time and chance are handed in too."""

    cfg: ServeConfig
    champion: ChampionHolder
    guard: AccessGuard
    journal: JournalWriter
    meters: ServiceMetrics
    now: Callable[[], datetime]
    request_id: Callable[[datetime], str]
    min_words: int


def create_app(service: Service, routers: Sequence[APIRouter] = ()) -> FastAPI:
    """Make the app; `routers` bring pages that see to their own readers."""
    cfg = service.cfg
    batcher = Batcher(
        service.champion.serving,
        batch_texts=cfg.batch_texts,
        wait_ms=cfg.batch_wait_ms,
        most_waiting=cfg.max_waiting_texts,
    )
    context = ApiHandlers(service, batcher, ThreadPoolExecutor(1, thread_name_prefix="journal"))
    # Its own pages would load scripts from elsewhere.
    app = FastAPI(
        title="Tonewatch",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(service, batcher),
    )
    _add_routes(app, context)
    for router in routers:
        # Not `include_router`, which hides its routes behind one of its own: each is to be found by its policy.
        app.router.routes.extend(router.routes)
    add_error_handlers(app)
    found, named = (lambda scope: policy_of(app, scope)), (lambda: service.request_id(service.now()))
    app.add_middleware(
        RequestLimits, guard=service.guard, cfg=cfg, meters=service.meters, policy_of=found, request_id=named
    )
    return app


def policy_of(app: FastAPI, scope: Scope) -> tuple[str, Policy | None]:
    """Give the route a request asks for and its policy; None where there is no such route."""
    for route in app.router.routes:
        match, _ = route.matches(scope)
        if match != Match.NONE and (path := getattr(route, "path", None)):
            named = f"{scope['method']} {path}"
            # Known by its path, asked in another way: the app says which ways there are. Without a policy it is not there.
            return named, POLICIES.get(named) if match == Match.FULL else "open"
    return "none", None


def _lifespan(
    service: Service, batcher: Batcher
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lived(_: FastAPI) -> AsyncIterator[None]:
        first = asyncio.to_thread(
            journal_fields, FIRST, hashed=service.cfg.journal.texts == "hash", min_words=1
        )
        works = batcher.run(), service.champion.follow(service.cfg.reload_seconds), first
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(service.journal.close)

    return lived


def _add_routes(app: FastAPI, context: "ApiHandlers") -> None:
    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorResponse} for status in (400, 401, 403, 408, 413, 415, 422, 429, 503)
    }
    app.post("/v1/predict", response_model=PredictResponse, responses=errors)(context.predict)
    app.post(
        "/v1/feedback", response_model=FeedbackResponse, responses={**errors, 404: {"model": ErrorResponse}}
    )(context.feedback)
    app.get("/v1/release", response_model=ReleaseResponse, responses=errors)(context.release)
    app.get("/metrics", response_class=Response, include_in_schema=False)(context.metrics)
    app.get("/healthz", include_in_schema=False)(context.health)
    app.get("/readyz", include_in_schema=False)(context.ready)


class ApiHandlers:
    """Answer the routes."""

    def __init__(self, service: Service, batcher: Batcher, pool: ThreadPoolExecutor) -> None:
        self._service = service
        self._batcher = batcher
        self._pool = pool

    async def predict(self, asked: PredictRequest, request: Request) -> PredictResponse:
        """Label texts with the champion."""
        _check(asked, self._service.cfg)
        name = str(request.state.request)
        self._service.meters.waiting.set(self._batcher.waiting)
        try:
            async with asyncio.timeout(self._service.cfg.request_seconds):
                serving, answers, begins = await self._batcher.answer(asked.texts)
        except (QueueFull, TimeoutError):
            raise HttpError(
                503, "Too many texts wait already. Ask again in a moment.", retry_after=1
            ) from None
        answered = PredictedRequest(name, str(request.state.client), asked, serving, answers, begins)
        await asyncio.get_running_loop().run_in_executor(self._pool, self._keep, answered)
        told = [_one(serving, answers, begins + position) for position in range(len(asked.texts))]
        for one in told:
            self._service.meters.texts.labels(serving.name, one.label).inc()
        return PredictResponse(
            request=name,
            release=serving.name,
            data_version=serving.data_version,
            model=serving.model[:SHOWN],
            answers=told,
        )

    async def feedback(self, asked: FeedbackRequest, request: Request) -> FeedbackResponse:
        """Tell the true label of a past answer."""
        labels = self._service.champion.serving().labels
        if asked.label not in labels:
            raise HttpError(422, f"There is no such label. Labels: {', '.join(labels)}.")
        journal = self._service.journal
        # Not where answers are kept: they would wait while an hour of them is searched.
        found = await asyncio.to_thread(journal.find, asked.request, asked.position)
        if found is None:
            raise HttpError(404, "There is no such answer, or it is no longer kept.")
        time = self._service.now().strftime(STAMP)
        entry = Feedback(
            asked.request,
            asked.position,
            time,
            asked.label,
            str(request.state.client),
            found.text,
            found.topic,
        )
        await asyncio.to_thread(journal.feedback, [entry])
        return FeedbackResponse(kept=True)

    async def release(self) -> ReleaseResponse:
        """Tell which release answers now."""
        champion = self._service.champion
        serving = champion.serving()
        return ReleaseResponse(
            release=serving.name,
            data_version=serving.data_version,
            model=serving.model[:SHOWN],
            labels=list(serving.labels),
            ledger_unreachable_since=champion.unreachable_since,
            refused=champion.refused,
        )

    async def health(self) -> JSONResponse:
        """Say that the process lives."""
        return JSONResponse({"alive": True})

    async def ready(self) -> JSONResponse:
        """Say whether a release can answer."""
        ready = self._service.champion.ready
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    async def metrics(self) -> Response:
        """Tell Prometheus."""
        return Response(self._service.meters.written(), media_type="text/plain; version=0.0.4")

    def _keep(self, answered: PredictedRequest) -> None:
        """Write the answers into the journal before they leave; where that fails they leave all the same, and it is counted."""
        try:
            self._service.journal.append(self._entries(answered))
        except Exception as error:
            self._service.meters.unkept.inc(len(answered.asked.texts))
            log.error("journal failed", why=type(error).__name__)

    def _entries(self, answered: PredictedRequest) -> list[JournalEntry]:
        time, hashed = self._service.now().strftime(STAMP), self._service.cfg.journal.texts == "hash"
        answers, begins = answered.answers, answered.begins
        return [
            JournalEntry(
                request=answered.name,
                position=position,
                time=time,
                label=answers.labels[row],
                uncertain=answers.uncertain[row],
                probabilities=tuple(round(float(value), 6) for value in answers.probabilities[row]),
                release=answered.serving.name,
                data_version=answered.serving.data_version,
                client=answered.client,
                topic=answered.asked.topic,
                unknown=answers.unknown[row],
                **journal_fields(answers.cleaned[row], hashed=hashed, min_words=self._service.min_words),
            )
            for position, row in enumerate(range(begins, begins + len(answered.asked.texts)))
        ]


def _check(asked: PredictRequest, cfg: ServeConfig) -> None:
    if len(asked.texts) > cfg.max_texts:
        raise HttpError(422, f"At most {cfg.max_texts} texts may be sent at once.")
    if any(len(text) > cfg.max_characters for text in asked.texts):
        raise HttpError(422, f"A text may have at most {cfg.max_characters} characters.")
    try:
        "".join(asked.texts).encode()
    except UnicodeEncodeError:
        raise HttpError(422, "A text holds half of a character, which no text can.") from None
    if asked.topic == RESERVED_TOPIC:
        raise HttpError(422, f"The topic {RESERVED_TOPIC!r} means all topics together. Name another one.")


def _one(serving: LoadedRelease, answers: "Predictions", row: int) -> Prediction:
    probabilities = dict(
        zip(serving.labels, (round(float(value), 6) for value in answers.probabilities[row]), strict=True)
    )
    best, uncertain = answers.labels[row], answers.uncertain[row]
    return Prediction(
        label=UNCERTAIN if uncertain else best, best=best, uncertain=uncertain, probabilities=probabilities
    )
