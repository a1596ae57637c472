"""On a Ray cluster of two nodes batches come back as from one process, whatever ends on the way."""

import functools
import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_work import square_or_die_once, square_slowly, square_where
from made_tables import run_stages, write_made

from pipeline.base.errors import Fault
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.io.streams.ray_data import BATCHES_PER_CORE, WINDOWS, map_on_cluster
from pipeline.io.streams.worker_pool import Batching, map_in_order

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    import ray
    from ray.cluster_utils import Cluster

    # The nodes import what this process imports.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def cluster(nodes: Any, tmp_path: Path) -> RayCluster:
    return RayCluster(nodes.address, tmp_path / "token")


def test_the_data_stages_leave_what_one_process_leaves(cluster: RayCluster, tmp_path: Path) -> None:
    digests = []
    for batching in (Batching(8192, 1), Batching(100, rows_alone=150, cluster=cluster)):
        write_made(tmp_path / "made.csv", 1200, own_split=False)
        digests.append(run_stages(tmp_path, own_split=False, batching=batching))

    assert digests[0] == digests[1]
    assert {name.partition("/")[0] for name in digests[0]} == {"raw", "clean", "validation", "splits"}


def test_both_nodes_work_and_the_order_is_that_of_the_batches(cluster: RayCluster) -> None:
    batches = [(f"batch {number}", number) for number in range(40)]

    found = list(map_in_order(square_where, batches, Batching(1, rows_alone=0, cluster=cluster)))

    assert [(kept, square) for kept, (square, _) in found] == [(f"batch {n}", n * n) for n in range(40)]
    assert len({node for _, (_, node) in found}) == 2


def test_no_more_batches_are_read_than_are_under_way(cluster: RayCluster) -> None:
    read: list[int] = []

    def batches() -> Iterator[tuple[int, float]]:
        for number in range(60):
            read.append(number)
            yield number, float(number)

    count = 0
    for count, (number, root) in enumerate(map_on_cluster(math.sqrt, batches(), cluster), start=1):
        assert (number, root) == (count - 1, math.sqrt(count - 1))
        assert len(read) - count < WINDOWS * BATCHES_PER_CORE * 2

    assert count == 60


def test_what_a_batch_raises_ends_the_work(cluster: RayCluster) -> None:
    with pytest.raises(ValueError, match="math domain error"):
        list(map_on_cluster(math.sqrt, [(0, 1.0), (1, -1.0)], cluster))


def test_a_killed_worker_loses_no_batch(cluster: RayCluster, tmp_path: Path) -> None:
    work = functools.partial(square_or_die_once, tmp_path)

    found = list(map_on_cluster(work, [(number, number) for number in range(20)], cluster))

    assert (tmp_path / "killed").exists()
    assert found == [(number, number * number) for number in range(20)]


def test_what_always_ends_its_worker_is_a_fault_and_no_wait(cluster: RayCluster) -> None:
    with pytest.raises(Fault, match="could not work on a batch"):
        list(map_on_cluster(os._exit, [(0, 3)], cluster))


def test_a_node_that_is_gone_loses_no_batch(cluster: RayCluster, nodes: Any, tmp_path: Path) -> None:
    node = nodes.add_node(num_cpus=2)
    work = functools.partial(square_slowly, tmp_path)

    def remove_node() -> None:
        while len(list(tmp_path.glob("begun-*"))) < 6:
            time.sleep(0.05)
        nodes.remove_node(node, allow_graceful=False)

    remover = threading.Thread(target=remove_node)
    remover.start()
    found = list(map_on_cluster(work, [(number, number) for number in range(30)], cluster))
    remover.join()

    assert found == [(number, number * number) for number in range(30)]
