"""Handlers of the API routes: predict, feedback, release, health and metrics."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from fastapi import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from pipeline.base import times
from pipeline.base.config import ServeConfig
from pipeline.base.records import Feedback, JournalEntry
from pipeline.inference.journal_entry import Arrival, PreparedText, journal_entry
from pipeline.inference.prediction import items_of, prediction_of
from pipeline.serve.api.request_check import check_targets, check_texts
from pipeline.serve.api.schemas import (
    FeedbackRequest,
    FeedbackResponse,
    Prediction,
    PredictRequest,
    PredictResponse,
    ReleaseResponse,
    TextItem,
)
from pipeline.serve.http.access import AccessGuard
from pipeline.serve.http.errors import HttpError
from pipeline.serve.runtime.batcher import BatchLanes, BatchSlice, QueueFull
from pipeline.serve.runtime.champion import ChampionHolder
from pipeline.serve.runtime.journal_health import JournalHealth
from pipeline.serve.runtime.metrics import ServiceMetrics
from pipeline.serve.runtime.preparation import Preparation

DIGEST_CHARACTERS = 16
NO_JOURNAL = "The journal cannot be written, so nothing is predicted (serve.journal.required)."
JOURNAL_RETRY_SECONDS = 5
LABELLED = (
    "This prediction has your label {label!r} already. To correct it, predict the text again and label that."
)


class JournalWriter(Protocol):
    """Store predictions and feedback, and look predictions up."""

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Store predictions."""

    def append_feedback(self, entries: Sequence[Feedback]) -> list[str]:
        """Store true labels, and return the label that stands for each prediction."""

    def find(self, request: str, position: int) -> JournalEntry | None:
        """Return one prediction, None where it is unknown or expired."""

    def close(self) -> None:
        """Close open files."""


@dataclass(frozen=True)
class Service:
    """Hold what the app is built from; clock and request ids are arguments too.

    `journal_key` is the secret under which texts are hashed, `retain` applies the retention of the journal.
    """

    cfg: ServeConfig
    champion: ChampionHolder
    guard: AccessGuard
    journal: JournalWriter
    journal_key: bytes = field(repr=False)
    journal_health: JournalHealth
    retain: Callable[[datetime], bool]
    metrics: ServiceMetrics
    now: Callable[[], datetime]
    request_id: Callable[[datetime], str]
    min_words: int
    signed_in: Callable[[Scope], str]


@dataclass(frozen=True)
class PredictedRequest:
    """Hold a request and its predictions: `rows` of the batch, one per text."""

    request_id: str
    client: str
    items: Sequence[TextItem]
    prepared: Sequence[PreparedText]
    batch: BatchSlice
    rows: range


class ApiHandlers:
    """Handle the API routes of one app."""

    def __init__(self, service: Service, preparing: Preparation, batcher: BatchLanes) -> None:
        self._service = service
        self._preparing = preparing
        self._batcher = batcher
        self._required = service.cfg.journal.required
        self._journal_pool = ThreadPoolExecutor(1, thread_name_prefix="journal")

    async def predict(self, body: PredictRequest, request: Request) -> PredictResponse:
        """Predict the labels of texts with the champion."""
        items = body.items
        check_texts(items, self._service.cfg, now=self._service.now())
        if self._required and not self._service.journal_health.writable:
            raise HttpError(503, NO_JOURNAL, retry_after=JOURNAL_RETRY_SECONDS)
        metrics = self._service.metrics
        metrics.queued_characters.set(self._preparing.queued)
        metrics.queued_texts.set(self._batcher.queued)
        try:
            async with asyncio.timeout(self._service.cfg.request_seconds):
                predicted = await self._predict(items, request)
        except (QueueFull, TimeoutError) as error:
            metrics.turned_away.labels(type(error).__name__).inc()
            raise self._service.guard.turn_away(str(request.state.client)) from None
        batch = predicted.batch
        predictions = [
            _prediction(batch, row, item.text) for item, row in zip(items, predicted.rows, strict=True)
        ]
        for prediction in predictions:
            for label in batch.release.counted_as(prediction.label):
                metrics.predictions.labels(batch.release.name, label).inc()
        return PredictResponse(
            request=predicted.request_id,
            release=batch.release.name,
            data_version=batch.release.data_version,
            model=batch.release.model_digest[:DIGEST_CHARACTERS],
            predictions=predictions,
        )

    async def _predict(self, items: Sequence[TextItem], request: Request) -> PredictedRequest:
        """Clean, predict and journal the texts of a request, each step in its turn."""
        client = str(request.state.client)
        texts = [item.whole for item in items]
        name, release = "", self._service.champion.serving()
        check_targets(items, release.task)
        # Twice where another release comes into service in between that reads texts in another way.
        while name != (name := release.predictor.prepare.name):
            prepared = await self._preparing.map(client, texts, preparation=name)
            batch = await self._batcher.predict(client, [text.cleaned for text in prepared])
            release = batch.release
        rows = range(batch.start, batch.start + len(prepared))
        predicted = PredictedRequest(str(request.state.request), client, items, prepared, batch, rows)
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._journal_pool, self._store, predicted) and self._required:
            raise HttpError(503, NO_JOURNAL, retry_after=JOURNAL_RETRY_SECONDS)
        return predicted

    async def feedback(self, body: FeedbackRequest, request: Request) -> FeedbackResponse:
        """Store the true label of an earlier prediction of the same client, once."""
        release = self._service.champion.serving()
        if release.no_feedback:
            raise HttpError(422, release.no_feedback)
        answer = release.read_answer(body.label)
        if answer is None:
            raise HttpError(422, f"Unknown label. Labels: {', '.join(release.labels)}.")
        journal = self._service.journal
        # Not in the journal's own thread: predictions would wait while an hour of them is searched.
        entry = await asyncio.to_thread(journal.find, body.request, body.position)
        client = str(request.state.client)
        if entry is None or entry.client != client:
            raise HttpError(404, "There is no such prediction, or it has expired.")
        feedback = Feedback(
            request=body.request,
            position=body.position,
            time=times.format_micros(self._service.now()),
            label=answer,
            client=client,
            topic=entry.topic,
        )
        (label,) = await asyncio.to_thread(journal.append_feedback, [feedback])
        if label != answer:
            raise HttpError(409, LABELLED.format(label=label))
        return FeedbackResponse(stored=True)

    async def release(self) -> ReleaseResponse:
        """Return the release in service."""
        champion = self._service.champion
        release = champion.serving()
        return ReleaseResponse(
            release=release.name,
            data_version=release.data_version,
            model=release.model_digest[:DIGEST_CHARACTERS],
            labels=list(release.labels),
            ledger_unreachable_since=champion.unreachable_since,
            refused=champion.refused,
        )

    async def health(self) -> JSONResponse:
        """Return 200 while the process is alive."""
        return JSONResponse({"alive": True})

    async def ready(self) -> JSONResponse:
        """Return 200 once a release is loaded and a required journal can be written, else 503."""
        if not self._service.champion.ready:
            return JSONResponse({"ready": False, "reason": "No release is loaded yet."}, 503)
        if self._required and not self._service.journal_health.writable:
            return JSONResponse({"ready": False, "reason": NO_JOURNAL}, 503)
        return JSONResponse({"ready": True})

    async def metrics(self) -> Response:
        """Return the metrics in the Prometheus text format."""
        return Response(self._service.metrics.render(), media_type="text/plain; version=0.0.4")

    def _store(self, predicted: PredictedRequest) -> bool:
        """Append predictions to the journal before the response is sent; return whether that succeeded."""
        try:
            self._service.journal.append(self._entries(predicted))
        except Exception as error:
            self._service.metrics.journal_failures.inc(len(predicted.rows))
            self._service.journal_health.failed(error)
            return False
        self._service.journal_health.written()
        return True

    def _entries(self, predicted: PredictedRequest) -> list[JournalEntry]:
        release, predictions = predicted.batch.release, predicted.batch.predictions
        time = times.format_micros(self._service.now())
        arrivals = (
            Arrival(
                request=predicted.request_id,
                position=position,
                time=time,
                client=predicted.client,
                topics=item.topics or (),
                # What a clock that is ahead says counts as now.
                written=min(times.format_micros(item.time), time) if item.time else "",
                text_id=item.id or "",
            )
            for position, item in enumerate(predicted.items)
        )
        return [
            journal_entry(arrival, text.fields, predictions, row, release=release)
            for arrival, text, row in zip(arrivals, predicted.prepared, predicted.rows, strict=True)
        ]


def _prediction(batch: BatchSlice, row: int, text: str) -> Prediction:
    release, predictions = batch.release, batch.predictions
    answer = release.predictor.in_text(predictions.labels[row], predictions.cleaned[row], text)
    prediction = prediction_of(predictions, row, labels=release.labels, answer=answer)
    return Prediction.model_validate({**vars(prediction), **items_of(prediction.best, text, release.task)})
