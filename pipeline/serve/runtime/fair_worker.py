"""Work on texts in one thread, in turns between clients: a hostile text delays others by itself at most."""

import asyncio
from collections.abc import Callable, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from pipeline.serve.runtime.fair_queue import FairQueue, Queued

# A text, or one with what is asked of it; its length is its characters.
T = TypeVar("T", bound=Sized)
R = TypeVar("R")
# The outcome for each text: a text that fails fails its own request only.
Work = Callable[[Sequence[T]], "list[R | Exception]"]
# So many characters are worked on at once: a hop to the thread costs as much as an ordinary text.
UNIT_CHARACTERS = 2000


def each(work: Callable[[T], R]) -> "Work[T, R]":
    """Return a function that applies `work` to each text of a list."""

    def apply(texts: Sequence[T]) -> list[R | Exception]:
        outcomes: list[R | Exception] = []
        for text in texts:
            try:
                outcomes.append(work(text))
            except Exception as error:
                outcomes.append(error)
        return outcomes

    return apply


class FairWorker(Generic[T, R]):
    """Apply a function to texts, `unit` characters at once; at most `max_characters` wait."""

    def __init__(
        self, work: "Work[T, R]", *, max_characters: int, name: str, unit: int = UNIT_CHARACTERS
    ) -> None:
        self._work = work
        self._unit = unit
        self._queue: FairQueue[T] = FairQueue(max_cost=max_characters)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    @property
    def queued(self) -> int:
        """Return how many characters wait."""
        return self._queue.cost

    async def map(self, client: str, texts: Sequence[T]) -> list[R]:
        """Return the result for each text, in their order; raises QueueFull when too much waits."""
        loop = asyncio.get_running_loop()
        results: list[asyncio.Future[R]] = []
        try:
            for text in texts:
                result: asyncio.Future[R] = loop.create_future()
                # An empty text costs something too.
                self._queue.put(client, Queued(text, len(text) + 1, result))
                results.append(result)
            return list(await asyncio.gather(*results))
        except BaseException:
            for result in results:
                result.cancel()
            raise

    async def run(self) -> None:
        """Work on what is queued, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            unit = [await self._queue.get()]
            room = self._unit - unit[0].cost
            while room > 0 and (more := self._queue.get_nowait(max_cost=room)):
                unit.append(more)
                room -= more.cost
            outcomes = await loop.run_in_executor(self._pool, self._work, [one.item for one in unit])
            for queued, outcome in zip(unit, outcomes, strict=True):
                if queued.result.done():
                    continue
                if isinstance(outcome, Exception):
                    queued.result.set_exception(outcome)
                else:
                    queued.result.set_result(outcome)
