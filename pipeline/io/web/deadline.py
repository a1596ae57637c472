"""Work that ends in time, whatever it waits for."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from pipeline.io.web.index_rules import FetchFailed

Result = TypeVar("Result")


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """Return what `work` returns, or raise FetchFailed once the seconds are over.

    The time-out of a socket starts anew with each byte, so a server that drips its headers has no end. The
    thread that is left behind stops at its next chunk.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="download").start()
    try:
        return future.result(timeout=seconds)
    except TimeoutError as error:
        if future.done():
            raise
        raise FetchFailed(f"does not finish within {seconds:,.0f} s") from error
