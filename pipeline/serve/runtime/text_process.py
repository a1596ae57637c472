"""Prepare long texts in a process of their own, which takes no time from the interpreter that serves."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.inference.journal_entry import PreparedText, TextRequest
from pipeline.serve.runtime.fair_queue import QueueFull
from pipeline.serve.runtime.fair_worker import each

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

log = logs.get("serve")
START_SECONDS = 60
# Small requests come first where cores are few.
NICENESS = 10


class TextProcess:
    """Clean and mask texts in a process, which is replaced when it ends.

    A unit of texts that takes longer than `seconds` is given up with its process: QueueFull stands for its
    texts. Until the first process is ready, the caller's thread does its work. Used by one thread.
    """

    def __init__(self, prepare: "partial[PreparedText]", *, seconds: float) -> None:
        self._prepare = prepare
        self._seconds = seconds
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._ready = self._replaced = False

    def __call__(self, texts: Sequence[TextRequest]) -> list[PreparedText | Exception]:
        """Return the prepared text or the error of each text."""
        try:
            # What ended a process shall not end this one.
            if not self._is_ready(START_SECONDS if self._replaced else 0):
                return each(self._prepare)(texts)
            assert self._pipe is not None
            self._pipe.send(texts)
            if self._pipe.poll(self._seconds):
                outcomes: list[PreparedText | Exception] = self._pipe.recv()
                return outcomes
            why = "slow"
        except (OSError, EOFError):
            why = "died"
        log.error("text_process.ended", why=why, characters=sum(map(len, texts)))
        self.close()
        self._replaced = True
        return [QueueFull() for _ in texts]

    def start(self) -> None:
        """Start the process; it becomes ready while others work."""
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._prepare, end), daemon=True)
        self._process.start()
        end.close()

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None
        self._ready = False

    def _is_ready(self, seconds: float) -> bool:
        """Wait up to so many seconds until the process is ready; raises EOFError where it does not start."""
        if self._pipe is None:
            self.start()
        assert self._pipe is not None
        if not self._ready and self._pipe.poll(seconds):
            self._pipe.recv()
            self._ready = True
        if not self._ready and self._replaced:
            raise EOFError("the process does not start")
        return self._ready


def _serve(prepare: "partial[PreparedText]", pipe: Connection) -> None:
    """Prepare the texts that come, until the process that started this one is gone."""
    # Ctrl-C reaches every process of a terminal; the service ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    apply = each(prepare)
    with contextlib.suppress(OSError, EOFError):
        pipe.send("ready")
        while True:
            pipe.send(apply(pipe.recv()))
