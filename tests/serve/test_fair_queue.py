"""The queues of the service: fair between clients, bounded, and no client keeps another one out."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.serve.runtime.fair_queue import FairQueue, Queued, QueueFull
from pipeline.serve.runtime.fair_worker import FairWorker, each


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def queued(item: str, cost: int = 1) -> Queued[str]:
    return Queued(item, cost, asyncio.get_running_loop().create_future())


def drain(queue: FairQueue[str]) -> list[str]:
    taken = []
    while (one := queue.get_nowait()) is not None:
        taken.append(one.item)
    return taken


def test_the_items_of_one_client_keep_their_order() -> None:
    async def story() -> list[str]:
        queue: FairQueue[str] = FairQueue(max_cost=10)
        for item in "abc":
            queue.put("ada", queued(item))
        return drain(queue)

    assert run(story()) == ["a", "b", "c"]


@pytest.mark.attack("A3")
def test_a_second_client_waits_for_one_item_of_the_first() -> None:
    async def story() -> list[str]:
        queue: FairQueue[str] = FairQueue(max_cost=1000)
        for number in range(100):
            queue.put("flood", queued(f"flood {number}"))
        first = queue.get_nowait()
        assert first is not None
        queue.put("ada", queued("ada 0"))
        return [first.item, *drain(queue)[:2]]

    assert "ada 0" in run(story())


def test_turns_weigh_cost_and_not_number() -> None:
    async def story() -> list[str]:
        queue: FairQueue[str] = FairQueue(max_cost=10_000)
        for number in range(20):
            queue.put("heavy", queued(f"heavy {number}", cost=100))
            queue.put("light", queued(f"light {number}", cost=10))
        return drain(queue)

    taken = run(story())

    assert taken.index("light 9") < taken.index("heavy 2")


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 9)), max_size=60), st.integers(10, 60))
def test_the_queue_is_bounded_and_loses_nothing_unsaid(puts: list[tuple[str, int]], max_cost: int) -> None:
    async def story() -> tuple[int, int, int]:
        queue: FairQueue[str] = FairQueue(max_cost=max_cost)
        futures, rejected = [], 0
        for client, cost in puts:
            one = queued(client, cost)
            try:
                queue.put(client, one)
                futures.append(one.result)
            except QueueFull:
                rejected += 1
            assert queue.cost <= max_cost
        dropped = sum(isinstance(future.exception(), QueueFull) for future in futures if future.done())
        return len(drain(queue)), dropped, rejected

    taken, dropped, rejected = run(story())

    assert taken + dropped + rejected == len(puts)


@pytest.mark.attack("A3")
def test_a_flood_cannot_keep_others_out() -> None:
    async def story() -> Counter[str]:
        queue: FairQueue[str] = FairQueue(max_cost=100)
        accepted: Counter[str] = Counter()
        for number in range(400):
            for client in ("flood", "ada") if number % 10 == 0 else ("flood",):
                try:
                    queue.put(client, queued(client))
                    accepted[client] += 1
                except QueueFull:
                    pass
        return accepted

    assert run(story())["ada"] == 40


def test_results_come_in_the_order_of_the_texts() -> None:
    async def story() -> list[int]:
        worker = FairWorker(each(len), max_characters=1000, name="test")
        running = asyncio.create_task(worker.run())
        try:
            return await worker.map("ada", ["", "a", "bb", "ccc"])
        finally:
            running.cancel()

    assert run(story()) == [0, 1, 2, 3]


def test_a_text_that_fails_fails_its_own_request_only() -> None:
    def fail(text: str) -> str:
        if text == "bad":
            raise ValueError(text)
        return text

    async def story() -> tuple[Any, Any]:
        worker = FairWorker(each(fail), max_characters=1000, name="test")
        running = asyncio.create_task(worker.run())
        try:
            return tuple(
                await asyncio.gather(
                    worker.map("ada", ["good", "bad"]), worker.map("bob", ["good"]), return_exceptions=True
                )
            )
        finally:
            running.cancel()

    first, second = run(story())

    assert isinstance(first, ValueError)
    assert second == ["good"]


def test_what_a_client_gave_up_is_not_worked_on() -> None:
    done: list[str] = []

    async def story() -> None:
        worker = FairWorker(each(done.append), max_characters=1000, name="test")
        waiting = asyncio.create_task(worker.map("ada", ["x"] * 5))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        running = asyncio.create_task(worker.run())
        await worker.map("bob", ["y"])
        running.cancel()

    run(story())

    assert done == ["y"]


def test_more_than_fits_is_refused() -> None:
    async def story() -> None:
        worker = FairWorker(each(len), max_characters=100, name="test")
        await worker.map("ada", ["x" * 60, "x" * 60])

    with pytest.raises(QueueFull):
        run(story())
