"""Batches come back in their order, and an error or a dead process ends the work with a sentence."""

import math
import os

import pytest

from pipeline.base.errors import Fault
from pipeline.io.streams.worker_pool import Batching, map_in_order


def test_results_come_in_the_order_of_the_batches() -> None:
    batches = [(number, float(number)) for number in range(40)]

    found = list(map_in_order(math.sqrt, batches, Batching(1, 2, rows_alone=3)))

    assert found == [(number, math.sqrt(number)) for number in range(40)]


def test_what_a_batch_raises_ends_the_work() -> None:
    with pytest.raises(ValueError, match="math domain error"):
        list(map_in_order(math.sqrt, [(0, 1.0), (1, -1.0)], Batching(1, 2, rows_alone=0)))


def test_a_process_that_ends_is_a_fault_and_no_wait() -> None:
    with pytest.raises(Fault, match="worker process ended"):
        list(map_in_order(os._exit, [(0, 3), (1, 3)], Batching(1, 2, rows_alone=0)))
