"""Predict texts of several requests together: one batch at a time on all cores."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.inference.champion import LoadedRelease

if TYPE_CHECKING:
    from pipeline.inference.champion import Predictions


class QueueFull(Exception):
    """Too many texts are queued already."""


@dataclass(frozen=True)
class BatchSlice:
    """Hold a batch's predictions, the release that made them, and the row where a request's texts start."""

    release: LoadedRelease
    predictions: "Predictions"
    start: int


@dataclass
class QueuedRequest:
    """Hold the texts of one request until they are predicted."""

    texts: Sequence[str]
    result: "asyncio.Future[BatchSlice]"


class Batcher:
    """Predict queued requests in batches of up to `batch_size` texts.

    All texts of a request are in one batch, predicted by one release. It waits up to `wait_ms` for texts.
    """

    def __init__(
        self, serving: Callable[[], LoadedRelease], *, batch_size: int, wait_ms: float, max_queued: int
    ) -> None:
        self._serving = serving
        self._batch_size = batch_size
        self._wait_seconds = wait_ms / 1000
        self._max_queued = max_queued
        self._queue: asyncio.Queue[QueuedRequest] = asyncio.Queue()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._next: QueuedRequest | None = None
        self.queued = 0

    async def predict(self, texts: Sequence[str]) -> BatchSlice:
        """Queue texts and return their predictions; raises QueueFull when too many texts are queued."""
        if self.queued + len(texts) > self._max_queued:
            raise QueueFull
        request = QueuedRequest(texts, asyncio.get_running_loop().create_future())
        self.queued += len(texts)
        try:
            self._queue.put_nowait(request)
            return await request.result
        finally:
            self.queued -= len(texts)

    async def run(self) -> None:
        """Predict batch after batch, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._collect_batch()
            texts = [text for request in batch for text in request.texts]
            try:
                # Read once per batch: no response mixes two releases.
                release = self._serving()
                predictions = await loop.run_in_executor(self._pool, release.predictor.predict, texts)
            except Exception as error:  # every waiting request must end
                for request in batch:
                    if not request.result.done():
                        request.result.set_exception(error)
                continue
            start = 0
            for request in batch:
                if not request.result.done():
                    request.result.set_result(BatchSlice(release, predictions, start))
                start += len(request.texts)

    async def _collect_batch(self) -> list[QueuedRequest]:
        """Take queued requests up to a batch; while there is room, wait a moment for more."""
        batch = [self._next or await self._queue.get()]
        self._next = None
        room = self._batch_size - len(batch[0].texts)
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        while room > 0:
            try:
                request = self._queue.get_nowait()
            except asyncio.QueueEmpty:
                left = deadline - asyncio.get_running_loop().time()
                # Every queued text is in this batch: waiting would only delay it.
                if left <= 0 or self.queued <= sum(len(one.texts) for one in batch):
                    break
                try:
                    request = await asyncio.wait_for(self._queue.get(), left)
                except TimeoutError:
                    break
            if len(request.texts) > room:
                self._next = request
                break
            batch.append(request)
            room -= len(request.texts)
        return [request for request in batch if not request.result.done()] or await self._collect_batch()
