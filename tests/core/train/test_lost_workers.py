"""Workers that are lost in the middle of a training: it goes on from its newest checkpoint."""

import json
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from training_jobs import job, resources, send_by_value

from pipeline.base.config import Profile
from pipeline.core.train.objectives import LabelObjective
from pipeline.core.train.ray_trainer import run_training
from pipeline.io.checkpoints import CheckpointFolder
from pipeline.io.security.ray_cluster import RayCluster


@dataclass
class DiesOnce(LabelObjective):
    """Kill the worker of one rank in the middle of a step, the first time."""

    rank: int
    marker: str

    def batch(self, step):
        import ray.train

        mine = ray.train.get_context().get_world_rank() == self.rank
        if step == 9 and mine and not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(step)


def end_of(root):
    return CheckpointFolder(root, "a" * 64).newest().tensors


@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_training_whose_worker_is_killed_ends_equal_to_the_last_bit(rank, objective, tmp_path):
    shared = {name: getattr(objective, name) for name in objective.__dataclass_fields__}
    shared["start"] = replace(objective.start, dropout=0.1)
    send_by_value(DiesOnce)
    dies = DiesOnce(**shared, rank=rank, marker=str(tmp_path / "died"))
    spared = replace(dies, rank=-1)
    RayCluster("local", tmp_path / "token").join()

    resumed = run_training(job(dies, tmp_path / "killed"), resources(tmp_path, workers=2))
    straight = run_training(job(spared, tmp_path / "straight"), resources(tmp_path, workers=2))

    ends = [end_of(tmp_path / name) for name in ("killed", "straight")]
    assert (tmp_path / "died").exists()
    assert resumed.history == straight.history
    assert all(
        torch.equal(ends[0][group][name], value)
        for group in ("model", "optimizer", "best")
        for name, value in ends[1][group].items()
    )


@dataclass
class WaitsForTheLoss(LabelObjective):
    """Wait at a step as long as there are two workers, and write down how many the last step had."""

    folder: str

    def batch(self, step):
        import ray.train

        workers = ray.train.get_context().get_world_size()
        while step == 9 and workers == 2:
            # As the one that is left waits for the gradient of the lost one.
            (Path(self.folder) / "waits").touch()
            time.sleep(0.1)
        if step == 11:
            (Path(self.folder) / "workers").write_text(str(workers))
        return super().batch(step)


def train_on_two_machines(objective, root):
    """Train on two machines of one core each, of which one is lost; both are Ray nodes of this machine."""
    from ray.cluster_utils import Cluster

    # By default a machine counts as lost after half a minute and more.
    health = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}
    head = {"num_cpus": 1, "_system_config": health}
    cluster = Cluster(initialize_head=True, head_node_args=head, connect=True)
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()

    def lose():
        while not (root / "waits").exists():
            time.sleep(0.1)
        cluster.remove_node(second, allow_graceful=False)

    threading.Thread(target=lose, daemon=True).start()
    send_by_value(WaitsForTheLoss)
    result = run_training(
        job(objective, root / "together"), replace(resources(root, workers=2), min_workers=1)
    )
    (root / "history").write_text(json.dumps(result.history))


# Ray gives up the lost worker, tries the old number for a minute, then goes on with fewer.
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_training_that_loses_a_machine_goes_on_with_fewer_workers(objective, tmp_path):
    shared = {name: getattr(objective, name) for name in objective.__dataclass_fields__}
    waits = WaitsForTheLoss(**shared, folder=str(tmp_path))
    process = multiprocessing.get_context("spawn").Process(
        target=train_on_two_machines, args=(waits, tmp_path)
    )
    process.start()
    alone = run_training(job(objective, tmp_path / "alone"), resources(tmp_path))
    process.join(560)

    history = json.loads((tmp_path / "history").read_text())
    assert (tmp_path / "workers").read_text() == "1"
    assert [metrics["step"] for metrics in history] == [6, 12]
    assert history[-1]["loss"] == pytest.approx(alone.history[-1]["loss"], abs=1e-4)


@pytest.mark.parametrize(
    ("workers", "fewest", "group"), [(0, None, 0), (4, None, 4), (4, 4, 4), (4, 1, (1, 4))]
)
def test_a_training_may_lose_workers_down_to_the_fewest(workers, fewest, group, tmp_path):
    assert replace(resources(tmp_path, workers), min_workers=fewest).group == group


def test_a_profile_does_not_ask_for_more_workers_than_it_has():
    with pytest.raises(ValueError, match="min_workers is 3, more than the 2 workers"):
        Profile(device="cpu", workers=2, micro_batch=1, threads=1, stage_minutes=1, min_workers=3)
