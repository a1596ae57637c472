"""Batches come back in their order, and an error or a dead process ends the work with a sentence."""

import math
import os
from collections.abc import Iterator

import pytest

from pipeline.base.errors import Fault
from pipeline.io.streams.worker_pool import BATCHES_AHEAD, Batching, compute_beside, map_in_order


def test_results_come_in_the_order_of_the_batches() -> None:
    batches = [(number, float(number)) for number in range(40)]

    found = list(map_in_order(math.sqrt, batches, Batching(1, 2, rows_alone=3)))

    assert found == [(number, math.sqrt(number)) for number in range(40)]


def test_no_more_batches_are_read_than_are_under_way() -> None:
    read: list[int] = []

    def batches() -> Iterator[tuple[int, float]]:
        for number in range(100):
            read.append(number)
            yield number, float(number)

    results = []
    for number, root in map_in_order(math.sqrt, batches(), Batching(1, 3, rows_alone=0)):
        results.append((number, root))
        assert len(read) - len(results) < BATCHES_AHEAD * 3

    assert results == [(number, math.sqrt(number)) for number in range(100)]


def test_what_a_batch_raises_ends_the_work() -> None:
    with pytest.raises(ValueError, match="math domain error"):
        list(map_in_order(math.sqrt, [(0, 1.0), (1, -1.0)], Batching(1, 2, rows_alone=0)))


def test_a_process_that_ends_is_a_fault_and_no_wait() -> None:
    with pytest.raises(Fault, match="worker process ended"):
        list(map_in_order(os._exit, [(0, 3), (1, 3)], Batching(1, 2, rows_alone=0)))


@pytest.mark.parametrize("rows", [3, 30])
def test_another_process_computes_beside_this_one_unless_the_rows_are_few(rows: int) -> None:
    with compute_beside(_process_of, "a", Batching(1, 2, rows_alone=10), rows=rows) as result:
        assert (result() == ("a", os.getpid())) == (rows == 3)


def test_what_is_computed_beside_raises_here() -> None:
    beside = compute_beside(math.sqrt, -1.0, Batching(1, 2, rows_alone=0), rows=1)

    with beside as result, pytest.raises(ValueError, match="math domain error"):
        result()


def _process_of(value: str) -> tuple[str, int]:
    return value, os.getpid()
