"""Texts of several requests answered together: one batch at a time on all cores, none waiting longer than it must."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.inference.champion import LoadedRelease

if TYPE_CHECKING:
    from pipeline.inference.champion import Predictions


class QueueFull(Exception):
    """Say that too many texts wait already."""


@dataclass
class QueuedRequest:
    """Hold the texts of one request until they are answered."""

    texts: Sequence[str]
    answer: "asyncio.Future[tuple[LoadedRelease, Predictions, int]]"


class Batcher:
    """Answer requests in batches of up to so many texts; a request's texts are answered together, by one release."""

    def __init__(
        self, serving: Callable[[], LoadedRelease], *, batch_texts: int, wait_ms: float, most_waiting: int
    ) -> None:
        self._serving = serving
        self._batch_texts = batch_texts
        self._wait = wait_ms / 1000
        self._most_waiting = most_waiting
        self._queue: asyncio.Queue[QueuedRequest] = asyncio.Queue()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._kept: QueuedRequest | None = None
        self.waiting = 0

    async def answer(self, texts: Sequence[str]) -> "tuple[LoadedRelease, Predictions, int]":
        """Give the release that answered, its answers for a batch, and where in the batch this request's texts begin.

        Raises Full when too many texts wait.
        """
        if self.waiting + len(texts) > self._most_waiting:
            raise QueueFull
        one = QueuedRequest(texts, asyncio.get_running_loop().create_future())
        self.waiting += len(texts)
        try:
            self._queue.put_nowait(one)
            return await one.answer
        finally:
            self.waiting -= len(texts)

    async def run(self) -> None:
        """Answer batch after batch, until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._gathered()
            texts = [text for one in batch for text in one.texts]
            try:
                # One look at who serves for the whole batch: no answer is a mixture of two releases.
                serving = self._serving()
                answers = await loop.run_in_executor(self._pool, serving.predictor.predict, texts)
            except Exception as error:  # whoever waits must hear of it
                self._told(batch, error)
                continue
            begins = 0
            for one in batch:
                if not one.answer.done():
                    one.answer.set_result((serving, answers, begins))
                begins += len(one.texts)

    @staticmethod
    def _told(batch: Sequence[QueuedRequest], error: Exception) -> None:
        for one in batch:
            if not one.answer.done():
                one.answer.set_exception(error)

    async def _gathered(self) -> list[QueuedRequest]:
        """Take what waits, up to a batch; while there is room, wait a moment for more."""
        batch = [self._kept or await self._queue.get()]
        self._kept = None
        room = self._batch_texts - len(batch[0].texts)
        ends = asyncio.get_running_loop().time() + self._wait
        while room > 0:
            try:
                one = self._queue.get_nowait()
            except asyncio.QueueEmpty:
                left = ends - asyncio.get_running_loop().time()
                # Nobody else is on the way: waiting would help no one.
                if left <= 0 or self.waiting <= sum(len(other.texts) for other in batch):
                    break
                try:
                    one = await asyncio.wait_for(self._queue.get(), left)
                except TimeoutError:
                    break
            if len(one.texts) > room:
                self._kept = one
                break
            batch.append(one)
            room -= len(one.texts)
        return [one for one in batch if not one.answer.done()] or await self._gathered()
