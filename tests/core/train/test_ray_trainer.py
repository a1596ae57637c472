import multiprocessing
import os
import signal

import pytest
import torch

from pipeline.base.config import OptimizerConfig
from pipeline.core.train.objectives import LabelObjective
from pipeline.core.train.ray_trainer import TrainingJob, WorkerResources, run_training
from pipeline.io.checkpoints import CheckpointFolder
from pipeline.io.security.ray_cluster import RayCluster


def job(objective, root, *, steps=12, eval_steps=(6, 12), patience=5, every=4):
    return TrainingJob(
        name="finetune",
        objective=objective,
        cfg=OptimizerConfig(
            batch_size=16,
            learning_rate=3e-3,
            warmup_ratio=0.1,
            weight_decay=0.01,
            max_grad_norm=1.0,
            save_every=every,
        ),
        steps=steps,
        eval_steps=frozenset(eval_steps),
        patience=patience,
        checkpoints=CheckpointFolder(root, "a" * 64),
    )


def resources(root, workers=0):
    return WorkerResources(
        device="cpu", workers=workers, micro_batch=64, threads=1, storage=str(root / "ray")
    )


class Fatal(LabelObjective):
    """Kill its own process at the second evaluation."""

    def evaluate(self, model):
        self.evaluations = getattr(self, "evaluations", 0) + 1
        if self.evaluations == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().evaluate(model)


def train_and_die(objective, root):
    fatal = Fatal(
        **{
            name: getattr(objective, name)
            for name in LabelObjective.__dataclass_fields__
            if name not in ("sampler", "weights_L")
        }
    )
    run_training(job(fatal, root), resources(root))


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
def test_two_workers_reach_the_weights_of_one_process(objective, tmp_path):
    alone = run_training(job(objective, tmp_path / "alone"), resources(tmp_path))

    RayCluster("local", tmp_path / "token").join()
    together = run_training(job(objective, tmp_path / "together"), resources(tmp_path, workers=2))

    assert [metrics["step"] for metrics in together.history] == [6, 12]
    assert together.history[-1]["score"] == pytest.approx(alone.history[-1]["score"], abs=1e-6)
    assert together.history[-1]["loss"] == pytest.approx(alone.history[-1]["loss"], abs=1e-4)
    assert all(
        torch.allclose(together.weights[name], alone.weights[name], atol=1e-4) for name in alone.weights
    )
