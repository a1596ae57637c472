"""Weights divided among workers: the same losses, less memory, and whole checkpoints."""

import json
import multiprocessing
from dataclasses import replace

import pytest
import torch
from training_jobs import job, losses_of, resources
from training_methods import method

from pipeline.base.config import Profile
from pipeline.base.errors import ConfigError
from pipeline.core.methods.recipe import Recipe
from pipeline.core.train.loop import WorkerShard
from pipeline.core.train.progress import TrainingState
from pipeline.core.train.ray_trainer import run_training
from pipeline.core.train.sharding import divide_weights, load_whole, whole_weights
from pipeline.io.checkpoints import CheckpointFolder

CPU = torch.device("cpu")


def as_worker(work, rank, workers, *arguments):
    """Run as one of several workers that reach each other by a file."""
    torch.set_num_threads(1)
    place = arguments[-1]
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{place / 'store'}", rank=rank, world_size=workers
    )
    work(rank, workers, *arguments)
    torch.distributed.destroy_process_group()


def together(work, workers, *arguments):
    processes = [
        multiprocessing.get_context("spawn").Process(target=as_worker, args=(work, rank, workers, *arguments))
        for rank in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(200)
    assert [process.exitcode for process in processes] == [0] * workers


@pytest.fixture(autouse=True)
def _on_this_machine(monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")


def write_losses(rank, workers, objective, micro_batch, place):
    model = objective.build_model()
    divide_weights(model, CPU)
    held = sum(weight.to_local().numel() for weight in model.parameters())
    losses = torch.tensor(losses_of(objective, WorkerShard(rank, workers, micro_batch), model))
    torch.distributed.all_reduce(losses)
    (place / f"{rank}.json").write_text(json.dumps({"losses": losses.tolist(), "held": held}))


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "micro_batch"), [(2, 64), (3, 2)])
@pytest.mark.parametrize("name", ["labels", "packed_words"])
def test_losses_are_those_of_one_worker(name, workers, micro_batch, request, tmp_path):
    objective = replace(request.getfixturevalue(name), batch_size=14)
    together(write_losses, workers, objective, micro_batch, tmp_path)
    alone = losses_of(objective, WorkerShard(0, 1, 64))
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(workers)]

    weights = sum(weight.numel() for weight in objective.build_model().parameters())
    assert seen[0]["losses"] == pytest.approx(alone, abs=1e-4)
    assert sum(one["held"] for one in seen) == weights
    assert max(one["held"] for one in seen) < weights / workers * 1.2


def train_divided(root, objective, **more):
    """Train on two workers of a Ray cluster of this process, each of which holds half of the weights."""
    from pipeline.io.security.ray_cluster import RayCluster

    RayCluster("local", root / "token").join()
    return run_training(
        job(objective, root / "divided", **more), replace(resources(root, workers=2), divide_weights=True)
    )


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_a_training_of_divided_weights_ends_as_one_of_whole_weights(objective, tmp_path):
    more = {"recipe": Recipe(average="ema", average_share=0.5), "patience": 9}
    divided = train_divided(tmp_path, objective, **more)
    alone = run_training(job(objective, tmp_path / "alone", **more), resources(tmp_path))

    assert divided.history[-1]["loss"] == pytest.approx(alone.history[-1]["loss"], abs=1e-4)
    assert divided.weights.keys() == alone.weights.keys()
    for name, value in alone.weights.items():
        assert torch.allclose(divided.weights[name], value, atol=1e-4), name
    ends = [CheckpointFolder(tmp_path / one, "a" * 64).newest().tensors for one in ("divided", "alone")]
    assert {group: sorted(ends[0][group]) for group in ends[0]} == {
        group: sorted(ends[1][group]) for group in ends[1]
    }


def resume_divided(rank, workers, objective, cfg, place):
    """Load the checkpoint of a whole training, and write down whether the parts make the same whole."""
    model = objective.build_model()
    divide_weights(model, CPU)
    recipe = Recipe(average="last", average_share=1.0)
    state = TrainingState.begin(model, cfg, recipe, steps=12)
    store = CheckpointFolder(place / "alone", "a" * 64)
    step, newest = state.resume(store), store.newest()
    tensors = state.tensors()
    same = all(
        torch.equal(tensors[group][name], value)
        for group in ("model", "optimizer", "average")
        for name, value in newest.tensors[group].items()
    )
    (place / f"{rank}.json").write_text(json.dumps({"step": step, "same": same}))


@pytest.mark.slow
def test_divided_weights_go_on_from_a_checkpoint_of_whole_ones(objective, tmp_path):
    alone = job(objective, tmp_path / "alone", recipe=Recipe(average="last", average_share=1.0))
    run_training(alone, resources(tmp_path))
    together(resume_divided, 2, objective, alone.cfg, tmp_path)

    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert seen == [{"step": 12, "same": True}] * 2


def test_a_model_that_is_not_divided_loads_and_gives_its_weights_as_they_are(objective):
    first, second = objective.build_model(), replace(objective, seed=4).build_model()
    load_whole(second, first.state_dict())

    assert all(torch.equal(value, first.state_dict()[name]) for name, value in whole_weights(second).items())


def test_adalora_is_refused_where_weights_are_divided(objective, tmp_path, root):
    recipe = Recipe.of(method(root, "adalora", lora={"rank": 2}))
    with pytest.raises(ConfigError, match="`method: adalora` ranks whole matrices"):
        run_training(
            job(objective, tmp_path, recipe=recipe),
            replace(resources(tmp_path, workers=2), divide_weights=True),
        )


@pytest.mark.parametrize("workers", [0, 1])
def test_a_profile_does_not_divide_weights_without_several_workers(workers):
    with pytest.raises(ValueError, match=f"divide_weights needs several workers, and workers is {workers}"):
        Profile(device="cpu", workers=workers, micro_batch=1, threads=1, stage_minutes=1, divide_weights=True)
