"""Predict texts of several requests together: one batch at a time on all cores."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.inference.champion import LoadedRelease
from pipeline.serve.runtime.fair_queue import FairQueue, Queued, QueueFull

if TYPE_CHECKING:
    from pipeline.inference.champion import Predictions

__all__ = ["BatchLanes", "BatchSlice", "Batcher", "QueueFull"]

Texts = Sequence[str]
SMALL_CHARACTERS = 600  # of all texts of a request


@dataclass(frozen=True)
class BatchSlice:
    """Hold a batch's predictions, the release that made them, and the row where a request's texts start."""

    release: LoadedRelease
    predictions: "Predictions"
    start: int


class Batcher:
    """Predict queued requests, whose texts are cleaned, in batches of up to `batch_size` texts.

    All texts of a request are in one batch, predicted by one release. While texts are coming, a batch waits
    for them, up to `wait_ms`.
    """

    def __init__(
        self,
        serving: Callable[[], LoadedRelease],
        *,
        batch_size: int,
        wait_ms: float,
        max_queued: int,
        coming: Callable[[], bool],
    ) -> None:
        self._serving = serving
        self._coming = coming
        self._batch_size = batch_size
        self._wait_seconds = wait_ms / 1000
        self._queue: FairQueue[Texts] = FairQueue(max_cost=max_queued)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batch")

    @property
    def queued(self) -> int:
        """Return how many texts wait for a batch."""
        return self._queue.cost

    async def predict(self, client: str, cleaned: Texts) -> BatchSlice:
        """Queue the texts of a client and return their predictions; raises QueueFull when too many wait."""
        result: asyncio.Future[BatchSlice] = asyncio.get_running_loop().create_future()
        self._queue.put(client, Queued(cleaned, len(cleaned), result))
        return await result

    async def run(self) -> None:
        """Predict batch after batch, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._collect_batch()
            texts = [text for request in batch for text in request.item]
            try:
                # Read once per batch: no response mixes two releases.
                release = self._serving()
                predictions = await loop.run_in_executor(self._pool, release.predictor.predict_cleaned, texts)
            except Exception as error:  # every waiting request must end
                for request in batch:
                    if not request.result.done():
                        request.result.set_exception(error)
                continue
            start = 0
            for request in batch:
                if not request.result.done():
                    request.result.set_result(BatchSlice(release, predictions, start))
                start += request.cost

    async def _collect_batch(self) -> list[Queued[Texts]]:
        """Take queued requests up to a batch; while there is room, wait a moment for more."""
        batch = [await self._queue.get()]
        room = self._batch_size - batch[0].cost
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        while room > 0:
            request = self._queue.get_nowait(max_cost=room)
            if request is not None:
                batch.append(request)
                room -= request.cost
                continue
            left = deadline - asyncio.get_running_loop().time()
            # Time is up, the next request does not fit, or waiting would only delay this batch.
            if left <= 0 or self._queue.cost or not self._coming():
                break
            if not await self._queue.wait(left):
                break
        return batch


class BatchLanes:
    """Predict small requests and large ones in lanes of their own: a large batch delays no small request."""

    def __init__(self, small: Batcher, large: Batcher) -> None:
        self._small = small
        self._large = large

    @property
    def queued(self) -> int:
        """Return how many texts wait for a batch."""
        return self._small.queued + self._large.queued

    async def predict(self, client: str, cleaned: Texts) -> BatchSlice:
        """Queue the texts of a client and return their predictions; raises QueueFull when too many wait."""
        is_small = sum(map(len, cleaned)) <= SMALL_CHARACTERS
        return await (self._small if is_small else self._large).predict(client, cleaned)

    async def run(self) -> None:
        """Predict batch after batch in each lane, until cancelled."""
        await asyncio.gather(self._small.run(), self._large.run())
