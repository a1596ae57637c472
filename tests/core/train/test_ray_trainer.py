import multiprocessing
import os
import signal

import pytest
import torch

from pipeline.core.train.loop import Schedule
from pipeline.core.train.objectives import LabelObjective
from pipeline.core.train.ray_trainer import TrainingJob, WorkerResources, run_training
from pipeline.io.checkpoints import CheckpointFolder


def job(method, root, *, steps=12, looks=(6, 12), patience=5, every=4):
    return TrainingJob(
        name="finetune",
        method=method,
        course=Schedule(steps, 3e-3, 0.1, 1.0),
        weight_decay=0.01,
        looks=frozenset(looks),
        patience=patience,
        save_every=every,
        keep=CheckpointFolder(root, "a" * 64),
    )


def machine(root, workers=0):
    return WorkerResources(
        device="cpu", workers=workers, micro_batch=64, threads=1, storage=str(root / "ray")
    )


class Fatal(LabelObjective):
    """Kill its own process at the second look."""

    def judge(self, model):
        self.seen = getattr(self, "seen", 0) + 1
        if self.seen == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().judge(model)


def deadly(method, root):
    fatal = Fatal(
        **{
            name: getattr(method, name)
            for name in LabelObjective.__dataclass_fields__
            if name not in ("deal", "weights_L")
        }
    )
    run_training(job(fatal, root), machine(root))


def test_a_killed_training_goes_on_from_its_checkpoint_to_the_very_same_weights(method, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=deadly, args=(method, tmp_path / "killed"))
    process.start()
    process.join(120)
    stopped_at = CheckpointFolder(tmp_path / "killed", "a" * 64).newest()

    resumed = run_training(job(method, tmp_path / "killed"), machine(tmp_path))
    straight = run_training(job(method, tmp_path / "straight"), machine(tmp_path))

    assert process.exitcode == -signal.SIGKILL
    assert stopped_at.step == 8
    assert [look["score"] for look in resumed.history] == [look["score"] for look in straight.history]
    assert all(torch.equal(resumed.weights[name], straight.weights[name]) for name in straight.weights)


def test_a_finished_training_is_not_run_again(method, tmp_path):
    first = run_training(job(method, tmp_path), machine(tmp_path))
    before = sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))

    second = run_training(job(method, tmp_path), machine(tmp_path))

    assert sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before
    assert second.history == first.history


def test_training_stops_early_and_keeps_the_best_weights(method, tmp_path):
    outcome = run_training(
        job(method, tmp_path, steps=200, looks=range(20, 201, 20), patience=2), machine(tmp_path)
    )
    scores = [look["score"] for look in outcome.history]

    assert outcome.history[-1]["step"] < 200
    assert scores[-3] == max(scores)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(method, tmp_path):
    keep = CheckpointFolder(tmp_path, "k")
    keep.save(4, {"model": {"w": torch.ones(2)}}, {"finished": False})
    older = keep.folder / "step-00000004"
    older.rename(keep.folder / "aside")
    keep.save(8, {"model": {"w": torch.zeros(2)}}, {"finished": False})
    (keep.folder / "aside").rename(older)
    content = bytearray((keep.folder / "step-00000008" / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (keep.folder / "step-00000008" / "model.safetensors").write_bytes(content)

    assert keep.newest().step == 4


@pytest.mark.timeout(240)
def test_two_workers_learn_what_one_process_learns(method, tmp_path):
    alone = run_training(job(method, tmp_path / "alone"), machine(tmp_path))

    together = run_training(job(method, tmp_path / "together"), machine(tmp_path, workers=2))

    assert [look["step"] for look in together.history] == [6, 12]
    assert together.history[-1]["score"] == pytest.approx(alone.history[-1]["score"], abs=1e-6)
    assert together.history[-1]["loss"] == pytest.approx(alone.history[-1]["loss"], abs=1e-4)
    assert all(
        torch.allclose(together.weights[name], alone.weights[name], atol=1e-4) for name in alone.weights
    )
