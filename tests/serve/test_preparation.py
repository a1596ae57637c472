"""Texts are prepared short and long side by side; a process that dies or hangs fails its own texts only."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import running_service

from pipeline.inference.journal_entry import TextRequest, prepare_text
from pipeline.serve.runtime.fair_queue import QueueFull
from pipeline.serve.runtime.preparation import LONG_CHARACTERS, Preparation
from pipeline.serve.runtime.text_process import TextProcess

PREPARE = partial(prepare_text, hashed=False, min_words=3, key=b"key")


def sleep_or_die(text: str) -> Any:
    """Stand for a text that takes too long, or takes too much memory."""
    if text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "slow":
        time.sleep(60)
    return text.upper()


@pytest.fixture
def process() -> Iterator[TextProcess]:
    with_process = TextProcess(partial(sleep_or_die), seconds=5)
    with_process.start()
    running_service.wait_until(lambda: with_process._is_ready(1), 60)
    yield with_process
    with_process.close()


def test_short_and_long_texts_come_back_in_their_order() -> None:
    long = "<b>long</b> " * (LONG_CHARACTERS // 10)
    texts = ["a  short one", long, "call 030 22732152", long + "a@example.com", ""]

    async def story() -> list[Any]:
        preparation = Preparation(hashed=False, min_words=3, key=b"key", max_characters=10**6, seconds=30)
        running = asyncio.create_task(preparation.run())
        try:
            return await preparation.map("ada", texts, preparation="2-masked")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    assert asyncio.run(story()) == [PREPARE(TextRequest(text, "2-masked")) for text in texts]


@pytest.mark.attack("A3")
@pytest.mark.parametrize("text", ["die", "slow"])
def test_a_text_that_ends_its_process_fails_alone(process: TextProcess, text: str) -> None:
    assert process(["one"]) == ["ONE"]

    (outcome,) = process([text])

    assert isinstance(outcome, QueueFull)
    assert process(["two", "three"]) == ["TWO", "THREE"]


def test_texts_do_not_wait_for_the_process_to_start() -> None:
    process = TextProcess(partial(str.upper), seconds=5)
    try:
        assert process(["one"]) == ["ONE"]
        assert not process._ready
    finally:
        process.close()


def test_a_closed_process_is_gone(process: TextProcess) -> None:
    process(["one"])
    child = process._process
    assert child is not None
    assert child.is_alive()

    process.close()

    assert not child.is_alive()
