"""Predict groups of texts on all cores: few in this process, many in one process per core.

Cleaning texts holds Python's lock, so threads of one process leave cores idle. Each worker process imports
this module, so it imports no more than predicting needs.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipeline.base.errors import Fault
from pipeline.inference.load import cores, load_predictor

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictions, Predictor
    from pipeline.inference.champion import LoadedRelease

Group = TypeVar("Group")
Submit = Callable[[Sequence[str]], "Future[Predictions]"]

# Below this a process takes longer to start than it saves.
ROWS_PER_PROCESS = 10_000
GROUPS_AHEAD = 2  # per worker, so that none waits for the reader


class Workers:
    """Predict groups of texts at the same time; `count` workers have at most two groups each to do."""

    def __init__(self, submit: Submit, count: int) -> None:
        self._submit = submit
        self._ahead = GROUPS_AHEAD * count

    def predict(self, groups: Iterable[tuple[Group, Sequence[str]]]) -> Iterator[tuple[Group, "Predictions"]]:
        """Yield each group with the predictions for its texts, in order; no more are read than are under way.

        Raises Fault when a worker process ends, as it does when the machine runs out of memory.
        """
        pending: deque[tuple[Group, Future[Predictions]]] = deque()
        for group, texts in groups:
            pending.append((group, self._submit(texts)))
            if len(pending) >= self._ahead:
                group, future = pending.popleft()
                yield group, future.result()
        for group, future in pending:
            yield group, future.result()


@contextlib.contextmanager
def open_workers(release: "LoadedRelease", *, rows: int | None) -> Iterator[Workers]:
    """Yield workers for so many rows; they end with the block, and with this process."""
    count = max(1, cores() if rows is None else min(cores(), rows // ROWS_PER_PROCESS))
    threads = ThreadPoolExecutor(count, thread_name_prefix="predict")
    with threads, contextlib.ExitStack() as processes:
        if count == 1:
            predict = _in_this_process(release.predictor)
        else:
            predict = _in_processes([processes.enter_context(_process(release.folder)) for _ in range(count)])
        try:
            yield Workers(lambda texts: threads.submit(predict, texts), count)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _in_this_process(predictor: "Predictor") -> "Callable[[Sequence[str]], Predictions]":
    return lambda texts: _without_cleaned(predictor, texts)


def _in_processes(pipes: Sequence[Connection]) -> "Callable[[Sequence[str]], Predictions]":
    """Return a function that hands texts to a process that is free; as many threads as processes call it."""
    free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
    for pipe in pipes:
        free.put(pipe)

    def predict(texts: Sequence[str]) -> "Predictions":
        pipe = free.get()
        try:
            pipe.send(texts)
            reply: Predictions | Exception = pipe.recv()
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

    return predict


@contextlib.contextmanager
def _process(folder: Path) -> Iterator[Connection]:
    """Start a process that predicts, and yield the pipe to it; it is killed with the block.

    A pipe of its own for each process: the executor of the standard library shares one queue, and can wait
    for ever when a process dies in it.
    """
    context = multiprocessing.get_context("spawn")
    pipe, end = context.Pipe()
    process = context.Process(target=_serve, args=(folder, end), daemon=True)
    process.start()
    end.close()
    try:
        yield pipe
    finally:
        process.kill()
        process.join()


def _serve(folder: Path, pipe: Connection) -> None:
    """Reply to each group of texts with its predictions, until the process that started this one is gone."""
    # Ctrl-C reaches every process of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Each worker has a core of its own.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    predictor: Predictor | None = None
    with contextlib.suppress(OSError, EOFError):
        while True:
            texts = pipe.recv()
            try:
                predictor = predictor or load_predictor(folder)
                reply: Predictions | Exception = _without_cleaned(predictor, texts)
            except Exception as error:
                reply = error
            pipe.send(reply)


def _without_cleaned(predictor: "Predictor", texts: Sequence[str]) -> "Predictions":
    return replace(predictor.predict(texts), cleaned=())
