"""Work on batches by all cores, in their order: what comes out does not depend on how many work on it."""

import contextlib
import multiprocessing
import os
import queue
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from pipeline.base.errors import Fault
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.io.streams.ray_data import map_on_cluster

Kept = TypeVar("Kept")
Payload = TypeVar("Payload")
Result = TypeVar("Result")

# Below so many rows a process takes longer to start than it saves.
ROWS_ALONE = 20_000
BATCHES_AHEAD = 2  # per process, so that none waits for the reader


@dataclass(frozen=True)
class Batching:
    """Set how many rows a batch has, and what works on them: neither changes a result.

    `processes` is by default one a core; with a `cluster`, all its cores work instead of them. The first
    `rows_alone` rows are worked on in this process.
    """

    rows: int = 8192
    processes: int | None = None
    rows_alone: int = ROWS_ALONE
    cluster: RayCluster | None = None

    @property
    def workers(self) -> int:
        """Return how many processes work."""
        return cores() if self.processes is None else self.processes


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(
    function: Callable[[Payload], Result], batches: Iterable[tuple[Kept, Payload]], batching: Batching
) -> Generator[tuple[Kept, Result]]:
    """Yield what stays here of each batch with what the function returns of the rest, in their order.

    The function must be importable by another process. No more batches are read than are under way. Raises
    what the function raises, and Fault when a worker process ends, as it does when memory runs out.
    """
    rest = iter(batches)
    single = batching.cluster is None and batching.workers < 2
    alone = None if single else -(-batching.rows_alone // batching.rows)
    for kept, payload in islice(rest, alone):
        yield kept, function(payload)
    if alone is None or (first := next(rest, None)) is None:
        return
    if batching.cluster is not None:
        yield from map_on_cluster(function, chain([first], rest), batching.cluster)
        return
    with _processes(function, batching.workers) as submit:
        pending = deque([(first[0], submit(first[1]))])
        for kept, payload in rest:
            pending.append((kept, submit(payload)))
            if len(pending) >= BATCHES_AHEAD * batching.workers:
                kept, future = pending.popleft()
                yield kept, future.result()
        while pending:
            kept, future = pending.popleft()
            yield kept, future.result()


@contextlib.contextmanager
def compute_beside(
    function: Callable[[Payload], Result], payload: Payload, batching: Batching, *, rows: int
) -> Iterator[Callable[[], Result]]:
    """Yield what waits for the result of a function: another process computes it in the meantime.

    Of few rows this process computes it, once it is asked for. The function must be importable by another
    process. What is yielded raises as `map_in_order` does.
    """
    if batching.workers < 2 or rows < batching.rows_alone:
        yield lambda: function(payload)
        return
    with _processes(function, 1) as submit:
        yield submit(payload).result


@contextlib.contextmanager
def _processes(
    function: Callable[[Payload], Result], count: int
) -> "Iterator[Callable[[Payload], Future[Result]]]":
    """Yield what hands a payload to a process that is free; they end with the block, and with this one."""
    threads = ThreadPoolExecutor(count, thread_name_prefix="batches")
    free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
    with threads, contextlib.ExitStack() as processes:
        for _ in range(count):
            free.put(processes.enter_context(_process(function)))
        try:
            yield lambda payload: threads.submit(_ask, free, payload)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _ask(free: "queue.SimpleQueue[Connection]", payload: object) -> Any:
    pipe = free.get()
    try:
        pipe.send(payload)
        reply = pipe.recv()
    except (OSError, EOFError) as error:
        raise Fault(
            "A worker process ended, as it does when the machine runs out of memory. "
            "Nothing was written. Free some memory, then type the same again."
        ) from error
    finally:
        free.put(pipe)
    if isinstance(reply, Exception):
        raise reply
    return reply


@contextlib.contextmanager
def _process(function: Callable[[Any], Any]) -> Iterator[Connection]:
    """Start a process, and yield the pipe to it; it is killed with the block."""
    context = multiprocessing.get_context("spawn")
    pipe, end = context.Pipe()
    process = context.Process(target=_serve, args=(function, end), daemon=True)
    process.start()
    end.close()
    try:
        yield pipe
    finally:
        process.kill()
        process.join()


def _serve(function: Callable[[Any], Any], pipe: Connection) -> None:
    """Reply to each payload, until the process that started this one is gone."""
    # Ctrl-C reaches every process of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, EOFError):
        while True:
            payload = pipe.recv()
            try:
                reply = function(payload)
            except Exception as error:
                reply = error
            pipe.send(reply)
