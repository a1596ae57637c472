"""Predict groups of texts on all cores: few in this process, many in one process per core.

Cleaning texts holds Python's lock, so threads of one process leave cores idle. Each worker process imports
this module, so it imports no more than predicting needs.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipeline.base.errors import Fault
from pipeline.inference.load import load_predictor

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictions, Predictor
    from pipeline.inference.champion import LoadedRelease

Group = TypeVar("Group")
Submit = Callable[[Sequence[str]], "Future[Predictions]"]

# Below this a process takes longer to start than it saves.
ROWS_PER_PROCESS = 10_000
GROUPS_AHEAD = 2  # per worker, so that none waits for the reader

_predictor: "Predictor | None" = None  # of this worker process


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
        try:
            for group, texts in groups:
                pending.append((group, self._submit(texts)))
                if len(pending) >= self._ahead:
                    group, future = pending.popleft()
                    yield group, future.result()
            for group, future in pending:
                yield group, future.result()
        except BrokenProcessPool as error:
            raise Fault(
                "A worker process ended, as it does when the machine runs out of memory. "
                "Nothing was written. Free some memory, then type the same again."
            ) from error


@contextlib.contextmanager
def open_workers(release: "LoadedRelease", *, rows: int | None) -> Iterator[Workers]:
    """Yield workers for so many rows; they end with the block, and with this process."""
    count = cores() if rows is None else min(cores(), rows // ROWS_PER_PROCESS)
    if count < 2:
        with ThreadPoolExecutor(1, thread_name_prefix="predict") as thread:
            yield Workers(lambda texts: thread.submit(_without_cleaned, release.predictor, texts), 1)
        return
    pool = ProcessPoolExecutor(
        count, multiprocessing.get_context("spawn"), initializer=_start, initargs=(release.folder,)
    )
    try:
        yield Workers(lambda texts: pool.submit(_predict, texts), count)
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start(folder: Path) -> None:
    global _predictor
    # Ctrl-C reaches every process of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Each worker has a core of its own.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _predictor = load_predictor(folder)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _predict(texts: Sequence[str]) -> "Predictions":
    assert _predictor is not None
    return _without_cleaned(_predictor, texts)


def _without_cleaned(predictor: "Predictor", texts: Sequence[str]) -> "Predictions":
    return replace(predictor.predict(texts), cleaned=())
