"""A loss that is not finite stops the training and names the texts; weights and checkpoint stay good."""

import itertools
import math
from dataclasses import dataclass, replace

import pytest
import torch
from training_jobs import job, resources, send_by_value

from pipeline.base.errors import TrainingDiverged, UsageError
from pipeline.core.train.loop import LossNotFinite, Schedule, WorkerShard, fit
from pipeline.core.train.objectives import LabelObjective
from pipeline.core.train.optimizer import make_optimizer
from pipeline.core.train.precision import Precision
from pipeline.core.train.ray_trainer import run_training
from pipeline.io.checkpoints import CheckpointFolder
from pipeline.io.security.ray_cluster import RayCluster

SCHEDULE = Schedule(steps=40, learning_rate=3e-3, warmup_ratio=0.1, max_grad_norm=1.0)


@dataclass
class OneBadWord(LabelObjective):
    """Start from weights in which one word is no number."""

    bad: int

    def build_model(self):
        model = super().build_model()
        with torch.no_grad():
            model.encoder.embeddings.word_embeddings.weight[self.bad] = math.nan
        return model


@pytest.fixture
def one_bad_word(objective, tokenizer):
    word = tokenizer.token_to_id("great")
    shared = {name: getattr(objective, name) for name in objective.__dataclass_fields__}
    return OneBadWord(**shared, bad=word), [
        row for row, ids in enumerate(objective.train.tokens) if word in ids
    ]


def test_the_texts_that_cause_it_are_named_and_the_weights_stay(one_bad_word):
    objective, rows = one_bad_word
    model = objective.build_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    with pytest.raises(LossNotFinite) as stopped:
        list(fit(model, objective, make_optimizer(model, weight_decay=0.0), SCHEDULE, WorkerShard(0, 1, 5)))

    divergence = stopped.value.divergence
    step = next(step for step in itertools.count() if set(rows) & set(objective.sampler.rows(step).tolist()))
    assert divergence.step == step + 1
    assert divergence.rows == tuple(sorted(set(rows) & set(objective.sampler.rows(step).tolist())))
    if step == 0:
        assert all(
            torch.equal(before[name].nan_to_num(7.0), value.nan_to_num(7.0))
            for name, value in model.state_dict().items()
        )


def test_a_training_that_diverges_keeps_its_last_good_checkpoint(objective, tmp_path):
    wild = job(objective, tmp_path, every=1)
    wild = replace(wild, cfg=wild.cfg.model_copy(update={"learning_rate": 1e25}))

    with pytest.raises(TrainingDiverged) as stopped:
        run_training(wild, resources(tmp_path))

    kept = CheckpointFolder(tmp_path, "a" * 64).newest()
    assert all(value.isfinite().all() for value in kept.tensors["model"].values())
    assert f"finetune: the loss of step {kept.step + 1} is not finite" in str(stopped.value)
    assert f"The checkpoint of step {kept.step} is kept" in str(stopped.value)
    assert "Write a `learning_rate` below 1e+25" in str(stopped.value)


@pytest.mark.parametrize(("steps", "every"), [(1, 1), (1, 9), (3, 1)])
def test_a_last_step_that_spoils_the_weights_leaves_no_model(steps, every, objective, tmp_path):
    wild = job(objective, tmp_path, steps=steps, eval_steps=(steps,), every=every)
    wild = replace(wild, cfg=wild.cfg.model_copy(update={"learning_rate": 3e38}))

    with pytest.raises(TrainingDiverged, match=r"the loss of step \d is not finite\. Rows .*: \d+, \d+"):
        run_training(wild, resources(tmp_path))

    assert CheckpointFolder(tmp_path, "a" * 64).newest() is None


@dataclass
class NoNumbers(LabelObjective):
    """Compute what is no number of finite weights."""

    def build_model(self):
        model = super().build_model()
        model.head.register_forward_hook(lambda _head, _inputs, logits: logits * math.inf)
        return model


def test_predictions_that_are_no_numbers_are_no_score(objective, tmp_path):
    shared = {name: getattr(objective, name) for name in objective.__dataclass_fields__}
    blind = job(NoNumbers(**shared), tmp_path, steps=4, eval_steps=(0, 4))

    with pytest.raises(TrainingDiverged, match=r"before the first step is no finite number\. Choose another"):
        run_training(blind, resources(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_workers_stop_together(one_bad_word, tmp_path):
    send_by_value(OneBadWord)
    objective, rows = one_bad_word
    RayCluster("local", tmp_path / "token").join()

    with pytest.raises(TrainingDiverged, match="not finite") as stopped:
        run_training(job(objective, tmp_path), resources(tmp_path, workers=2))

    assert any(str(row) in str(stopped.value) for row in rows)


def test_a_missing_gpu_is_refused_before_the_training(objective, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")

    with pytest.raises(UsageError, match="asks for 1 GPU, and 0 can be used"):
        run_training(job(objective, tmp_path), replace(resources(tmp_path), device="cuda"))


def losses(objective, precision, steps=20):
    model = objective.build_model()
    optimizer = make_optimizer(model, weight_decay=0.0)
    trained = fit(model, objective, optimizer, SCHEDULE, WorkerShard(0, 1, 64), precision=precision)
    return [step.loss for step in itertools.islice(trained, steps)]


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_half_precision_loses_almost_what_float32_loses(name, objective):
    half, full = losses(objective, Precision(name, "cpu")), losses(objective, Precision("float32", "cpu"))

    assert half != full
    assert half == pytest.approx(full, abs=0.02)


def test_a_scale_that_overflows_is_halved_and_the_step_left_out(objective):
    precision = Precision("float16", "cpu")
    precision.load({**precision.state(), "scale": torch.tensor(2.0**40)})
    model = objective.build_model()
    before = model.head.weight.clone()
    trained = fit(
        model,
        objective,
        make_optimizer(model, weight_decay=0.0),
        SCHEDULE,
        WorkerShard(0, 1, 64),
        precision=precision,
    )

    first = next(trained)

    assert not math.isfinite(first.gradient_norm)
    assert torch.equal(model.head.weight, before)
    assert float(precision.state()["scale"]) == 2.0**39


def test_the_scale_is_part_of_a_checkpoint(objective, tmp_path):
    from pipeline.core.train.progress import TrainingState

    def state():
        model = objective.build_model()
        return TrainingState(model, make_optimizer(model, weight_decay=0.0), Precision("float16", "cpu"))

    first, second = state(), state()
    first.precision.load({**first.precision.state(), "scale": torch.tensor(1024.0)})
    CheckpointFolder(tmp_path, "k").save(3, first.tensors(), first.progress.notes())

    assert second.resume(CheckpointFolder(tmp_path, "k")) == 3
    assert float(second.precision.state()["scale"]) == 1024.0


@pytest.mark.gpu
def test_a_gpu_loses_what_the_processor_loses(objective):
    from pipeline.core.train.precision import precision_of

    model = objective.build_model().to("cuda")
    optimizer = make_optimizer(model, weight_decay=0.0)
    trained = fit(
        torch.compile(model, dynamic=True),
        objective,
        optimizer,
        SCHEDULE,
        WorkerShard(0, 1, 64),
        precision=precision_of("cuda"),
    )

    on_gpu = [step.loss for step in itertools.islice(trained, 20)]

    assert on_gpu == pytest.approx(losses(objective, Precision("float32", "cpu")), abs=0.02)
