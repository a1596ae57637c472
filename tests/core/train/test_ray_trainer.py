import multiprocessing
import os
import signal
import subprocess
from dataclasses import dataclass, replace

import pytest
import torch
from training_jobs import job, resources
from training_methods import adapted, method

from pipeline.base.errors import Fault
from pipeline.core.methods.recipe import Recipe
from pipeline.core.train.objectives import LabelObjective
from pipeline.core.train.ray_trainer import run_training
from pipeline.io.checkpoints import CheckpointFolder
from pipeline.io.security.ray_cluster import RayCluster


@dataclass
class Fatal(LabelObjective):
    """Kill its own process in the middle of a step, or at the second evaluation."""

    killed_at: int | None

    def batch(self, step):
        if step == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(step)

    def evaluate(self, model):
        self.evaluations = getattr(self, "evaluations", 0) + 1
        if self.killed_at is None and self.evaluations == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().evaluate(model)


@dataclass
class Stopping(LabelObjective):
    """Fail in the middle of a step."""

    def batch(self, step):
        if step == 17:
            raise InterruptedError("in step 18")
        return super().batch(step)


# At step 17 the ranks have fallen but are not final, and the mean of the last steps has begun.
METHODS = {
    "lora": {"lora": {"dropout": 0.2}},
    "adalora": {"lora": {"rank": 2}},
    "top:1": {"average": "ema", "layer_decay": 0.7},
    "full": {"adversarial": "freelb", "average": "last", "average_share": 0.5, "dropout": 0.1},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_stopped_resumes_to_equal_weights(name, objective, tmp_path, root):
    cfg = method(root, name, **METHODS[name])
    objective = adapted(objective, cfg, dropout=cfg.dropout)
    shared = {one: getattr(objective, one) for one in objective.__dataclass_fields__}
    more = {"steps": 24, "eval_steps": (12, 24), "every": 8, "recipe": Recipe.of(cfg)}
    with pytest.raises(Exception, match="in step 18"):
        run_training(job(Stopping(**shared), tmp_path / "stopped", **more), resources(tmp_path))

    resumed = run_training(job(objective, tmp_path / "stopped", **more), resources(tmp_path))
    straight = run_training(job(objective, tmp_path / "straight", **more), resources(tmp_path))

    ends = [CheckpointFolder(tmp_path / one, "a" * 64).newest().tensors for one in ("stopped", "straight")]
    assert resumed.history == straight.history
    assert ends[0].keys() == ends[1].keys()
    assert all(
        torch.equal(ends[0][group][one], value)
        for group, tensors in ends[1].items()
        for one, value in tensors.items()
    )


LONG = {"steps": 60, "eval_steps": (30, 60)}


def train_and_die(objective, root, killed_at=None, **more):
    shared = {name: getattr(objective, name) for name in objective.__dataclass_fields__}
    run_training(job(Fatal(**shared, killed_at=killed_at), root, **more), resources(root))


def test_a_killed_training_resumes_to_equal_weights(objective, tmp_path):
    process = multiprocessing.get_context("spawn").Process(
        target=train_and_die, args=(objective, tmp_path / "killed")
    )
    process.start()
    process.join(120)
    stopped_at = CheckpointFolder(tmp_path / "killed", "a" * 64).newest()

    resumed = run_training(job(objective, tmp_path / "killed"), resources(tmp_path))
    straight = run_training(job(objective, tmp_path / "straight"), resources(tmp_path))

    assert process.exitcode == -signal.SIGKILL
    assert stopped_at.step == 8
    assert [metrics["score"] for metrics in resumed.history] == [
        metrics["score"] for metrics in straight.history
    ]
    assert all(torch.equal(resumed.weights[name], straight.weights[name]) for name in straight.weights)


@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.parametrize("killed_at", range(0, 60, 10))
def test_a_training_killed_at_any_step_ends_equal_to_the_last_bit(killed_at, objective, tmp_path):
    objective = replace(objective, start=replace(objective.start, dropout=0.1))
    process = multiprocessing.get_context("spawn").Process(
        target=train_and_die, args=(objective, tmp_path / "killed", killed_at), kwargs=LONG
    )
    process.start()
    process.join(200)

    resumed = run_training(job(objective, tmp_path / "killed", **LONG), resources(tmp_path))
    straight = run_training(job(objective, tmp_path / "straight", **LONG), resources(tmp_path))

    ends = [CheckpointFolder(tmp_path / name, "a" * 64).newest().tensors for name in ("killed", "straight")]
    assert process.exitcode == -signal.SIGKILL
    assert resumed.history == straight.history
    assert all(
        torch.equal(ends[0][group][name], value)
        for group in ("model", "optimizer", "best")
        for name, value in ends[1][group].items()
    )


def test_a_finished_training_is_not_repeated(objective, tmp_path):
    first = run_training(job(objective, tmp_path), resources(tmp_path))
    before = sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))

    second = run_training(job(objective, tmp_path), resources(tmp_path))

    assert sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before
    assert second.history == first.history


def test_training_stops_early_with_the_best_weights(objective, tmp_path):
    result = run_training(
        job(objective, tmp_path, steps=200, eval_steps=range(20, 201, 20), patience=2), resources(tmp_path)
    )
    scores = [metrics["score"] for metrics in result.history]

    assert result.history[-1]["step"] < 200
    assert scores[-3] == max(scores)


def test_a_damaged_checkpoint_is_skipped_for_the_one_before(objective, tmp_path):
    checkpoints = CheckpointFolder(tmp_path, "k")
    checkpoints.save(4, {"model": {"w": torch.ones(2)}}, {"finished": False})
    older = checkpoints.folder / "step-00000004"
    older.rename(checkpoints.folder / "aside")
    checkpoints.save(8, {"model": {"w": torch.zeros(2)}}, {"finished": False})
    (checkpoints.folder / "aside").rename(older)
    content = bytearray((checkpoints.folder / "step-00000008" / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (checkpoints.folder / "step-00000008" / "model.safetensors").write_bytes(content)

    assert checkpoints.newest().step == 4


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("micro_batch", [64, 3])
def test_two_workers_reach_the_weights_of_one_process(micro_batch, objective, tmp_path):
    alone = run_training(job(objective, tmp_path / "alone"), resources(tmp_path))

    RayCluster("local", tmp_path / "token").join()
    shared = replace(resources(tmp_path, workers=2), micro_batch=micro_batch)
    together = run_training(job(objective, tmp_path / "together"), shared)

    assert [metrics["step"] for metrics in together.history] == [6, 12]
    assert together.history[-1]["score"] == pytest.approx(alone.history[-1]["score"], abs=1e-6)
    assert together.history[-1]["loss"] == pytest.approx(alone.history[-1]["loss"], abs=1e-4)
    assert all(
        torch.allclose(together.weights[name], alone.weights[name], atol=1e-4) for name in alone.weights
    )


@pytest.mark.needs("mount")
def test_a_full_disk_stops_with_its_place_and_keeps_the_checkpoint_before(objective, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    # A checkpoint has about 400 kB, and while the next one is written there are two.
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", small], check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        training = replace(
            job(objective, tmp_path, every=4), checkpoints=CheckpointFolder(small, "checkpoints")
        )
        with pytest.raises(Fault, match=r"No space is left for .*step-00000008, .*Free some space"):
            run_training(training, resources(tmp_path))
        assert CheckpointFolder(small, "checkpoints").newest().step == 4
        assert [path.name for path in (small / "checkpoints").iterdir()] == ["step-00000004"]

        subprocess.run(["mount", "-o", "remount,size=8m", small], check=True)
        assert len(run_training(training, resources(tmp_path)).history) == 2
    finally:
        subprocess.run(["umount", small], check=True)
