"""Losses do not depend on the number of workers, nor on how many texts one has in memory at once."""

import json
import multiprocessing
from dataclasses import replace

import pytest
import torch
from training_jobs import losses_of

from pipeline.core.train.loop import WorkerShard


def work(objective, shard, place):
    """Train as one of several workers that exchange gradients; the first writes the losses of all."""
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{place / 'store'}", rank=shard.rank, world_size=shard.workers
    )
    losses = torch.tensor(losses_of(objective, shard, DistributedDataParallel(objective.build_model())))
    torch.distributed.all_reduce(losses)
    if shard.rank == 0:
        (place / "losses").write_text(json.dumps(losses.tolist()))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "micro_batch"), [(2, 64), (3, 2), (5, 1)])
@pytest.mark.parametrize("name", ["labels", "packed_words"])
def test_losses_are_those_of_one_worker(name, workers, micro_batch, request, tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    # 128 texts in batches of 14: some batches have fewer texts than others, and than workers times pieces.
    objective = replace(request.getfixturevalue(name), batch_size=14)
    processes = [
        multiprocessing.get_context("spawn").Process(
            target=work, args=(objective, WorkerShard(rank, workers, micro_batch), tmp_path)
        )
        for rank in range(workers)
    ]
    for process in processes:
        process.start()
    alone = losses_of(objective, WorkerShard(0, 1, 64))
    for process in processes:
        process.join(200)

    assert [process.exitcode for process in processes] == [0] * workers
    assert json.loads((tmp_path / "losses").read_text()) == pytest.approx(alone, abs=1e-4)
    assert alone[-1] < alone[0]
