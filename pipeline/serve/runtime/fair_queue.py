"""A bounded queue in which no client waits for another one's backlog."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class QueueFull(Exception):
    """Too much is queued, and this client has the most of it."""


@dataclass(frozen=True)
class Queued(Generic[T]):
    """Hold what waits, its cost, and the future that fails when a full queue drops it."""

    item: T
    cost: int
    result: "asyncio.Future[Any]"


@dataclass
class _Backlog(Generic[T]):
    served: float
    waiting: deque[Queued[T]] = field(default_factory=deque)
    cost: int = 0


class FairQueue(Generic[T]):
    """Queue items of clients; the next one is of the client that was served least.

    This is start-time fair queueing (Goyal, Vin and Cheng, 1996). At most `max_cost` is queued: a full queue
    drops the newest items of the client with the most, so that one who floods it cannot keep others out. Used
    on one event loop.
    """

    def __init__(self, *, max_cost: int) -> None:
        self._max_cost = max_cost
        self._backlogs: dict[str, _Backlog[T]] = {}
        self._clock = 0.0  # what the client served last has been served
        self._filled = asyncio.Event()
        self.cost = 0

    def put(self, client: str, queued: Queued[T]) -> None:
        """Queue an item; raises QueueFull where it does not fit, and fails the futures of dropped ones."""
        while self.cost + queued.cost > self._max_cost:
            heaviest = max(self._backlogs, key=lambda name: self._backlogs[name].cost, default=client)
            mine = self._backlogs[client].cost if client in self._backlogs else 0
            if heaviest == client or self._backlogs[heaviest].cost <= mine + queued.cost:
                raise QueueFull
            self._drop_newest(heaviest)
        # A client that was idle starts where the others are: it has saved nothing up.
        backlog = self._backlogs.setdefault(client, _Backlog(self._clock))
        backlog.waiting.append(queued)
        backlog.cost += queued.cost
        self.cost += queued.cost
        self._filled.set()

    def get_nowait(self, *, max_cost: int | None = None) -> Queued[T] | None:
        """Return the next item, None where there is none or the next one costs more than `max_cost`."""
        while self._backlogs:
            client = min(self._backlogs, key=lambda name: self._backlogs[name].served)
            backlog = self._backlogs[client]
            queued = backlog.waiting[0]
            if queued.result.done():  # its client gave up
                self._remove(client, backlog.waiting.popleft())
                continue
            if max_cost is not None and queued.cost > max_cost:
                return None
            self._clock = backlog.served
            backlog.served += queued.cost
            self._remove(client, backlog.waiting.popleft())
            return queued
        return None

    async def get(self) -> Queued[T]:
        """Wait for an item, and return the next one."""
        while (queued := self.get_nowait()) is None:
            self._filled.clear()
            await self._filled.wait()
        return queued

    async def wait(self, seconds: float) -> bool:
        """Wait until another item is queued, up to so many seconds; return whether one is."""
        # Before the task that waits begins: an item that comes in between must not be missed.
        self._filled.clear()
        try:
            await asyncio.wait_for(self._filled.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _drop_newest(self, client: str) -> None:
        dropped = self._backlogs[client].waiting.pop()
        self._remove(client, dropped)
        if not dropped.result.done():
            dropped.result.set_exception(QueueFull())

    def _remove(self, client: str, queued: Queued[T]) -> None:
        backlog = self._backlogs[client]
        backlog.cost -= queued.cost
        self.cost -= queued.cost
        if not backlog.waiting:
            # It starts anew when it returns. Going and coming back gains a client one item at most.
            del self._backlogs[client]
