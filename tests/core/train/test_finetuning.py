"""One training or one for each seed: the median, an ensemble as teacher, pairs and then the head."""

from dataclasses import dataclass, field, fields, replace

import numpy as np
import pytest
import torch
from training_jobs import resources
from training_methods import adapted, method

from pipeline.base.config import PromptConfig
from pipeline.base.errors import DataRejected
from pipeline.core.methods.prompts import read_prompt
from pipeline.core.methods.recipe import Recipe
from pipeline.core.train.finetuning import FinetuningRounds
from pipeline.core.train.objectives import LabelledTokens, LabelObjective
from pipeline.core.train.objectives.contrastive import ContrastiveObjective, fit_head
from pipeline.core.train.objectives.labels import predict_outputs
from pipeline.core.train.objectives.soft_labels import SoftLabelledTokens, SoftLabelObjective
from pipeline.core.train.ray_trainer import run_training
from pipeline.io.checkpoints import CheckpointFolder

SMALL = {"batch_size": 16, "learning_rate": 3e-3, "eval_every": 12, "save_every": 50}


@dataclass
class Rounds:
    """Run rounds, and remember their jobs."""

    place: object
    prompt: object = None
    steps: int = 24
    jobs: list = field(default_factory=list)

    def run(self, objective, cfg):
        rounds = FinetuningRounds(
            self.train, self.store, cfg, objective, Recipe.of(cfg), self.steps, self.prompt
        )
        return rounds.run(), rounds

    def train(self, job):
        self.jobs.append(job)
        return run_training(job, resources(self.place))

    def store(self, *name):
        return CheckpointFolder(self.place / "checkpoints", "-".join(("key", *name)))


def few(objective, count):
    """Return the objective with so many training texts of each label, far apart; it validates on all."""
    of_label = [(objective.train.labels == label).nonzero()[0] for label in (0, 1)]
    rows = [row for one in of_label for row in one[:: len(one) // count]]
    texts = LabelledTokens([objective.train.tokens[row] for row in rows], objective.train.labels[rows])
    return replace(objective, train=texts)


def test_the_median_of_three_seeds_is_the_model_of_that_seed(objective, tmp_path, root):
    cfg = method(root, seeds=[1, 2, 3], **SMALL)
    trained, rounds = Rounds(tmp_path / "seeds").run(adapted(objective, cfg), cfg)
    middle = sorted(trained.scores, key=lambda name: trained.scores[name])[1]
    seed = int(middle.removeprefix("seed-"))

    alone, _ = Rounds(tmp_path / "alone").run(
        replace(adapted(objective, cfg), seed=seed), method(root, **SMALL)
    )

    assert set(trained.scores) == {"seed-1", "seed-2", "seed-3"}
    assert trained.best["score"] == trained.scores[middle]
    assert all(torch.equal(value, alone.weights[name]) for name, value in trained.weights.items())
    rounds.delete_checkpoints()
    assert not any((tmp_path / "seeds" / "checkpoints").iterdir())


def test_one_model_learns_the_mean_of_the_logits_of_the_seeds(objective, tmp_path, root):
    cfg = method(root, "lora", seeds=[4, 5], combine="ensemble", lora={"rank": 4}, **SMALL)
    rounds = Rounds(tmp_path)
    trained, _ = rounds.run(adapted(objective, cfg), cfg)

    plain = adapted(objective, None).build_model()
    *teachers, student = rounds.jobs
    logits = []
    for job in teachers:
        model = job.objective.build_model()
        model.load_state_dict(dict(job.checkpoints.newest().tensors["best"]))
        logits.append(predict_outputs(model, objective.train.tokens))
    assert torch.allclose(student.objective.teacher_NL, sum(logits) / 2, atol=1e-5)
    plain.load_state_dict(trained.weights)
    assert objective.evaluate(plain)["score"] == trained.best["score"]
    assert len(trained.scores) == 2


def test_pairs_and_then_the_head_learn_from_eight_texts_of_each_label(objective, tmp_path, root):
    cfg = method(root, "contrastive", **{**SMALL, "eval_every": 60})
    objective = few(adapted(objective, cfg), 8)

    trained, _ = Rounds(tmp_path, steps=120).run(objective, cfg)

    plain = adapted(objective, None).build_model()
    plain.load_state_dict(trained.weights)
    assert objective.evaluate(plain)["score"] == trained.best["score"] > 0.8
    assert trained.history[-1] == trained.best


def test_the_step_of_pairs_is_that_of_the_weights_that_are_kept(objective, tmp_path, root):
    cfg = method(root, "contrastive", **{**SMALL, "eval_every": 4})
    falling = iter([0.9, 0.5, 0.4, 0.3, 0.2])
    objective = replace(few(adapted(objective, cfg), 8), score=lambda *_: next(falling))

    trained, _ = Rounds(tmp_path, steps=16).run(objective, cfg)

    assert [one["score"] for one in trained.history] == [0.9, 0.5, 0.4, 0.3, 0.2]
    assert trained.best["step"] == 4


WORDS = {"zero": ("awful", "bad"), "one": ("lovely", "good")}


@pytest.fixture
def prompt(tokenizer_json):
    cfg = PromptConfig(template="{text} what a [MASK] film", words=WORDS, zero_shot=False)
    return read_prompt(tokenizer_json, cfg, ["zero", "one"], 32)


def test_a_filled_blank_teaches_a_classifier(prompt, objective, tmp_path, root):
    cfg = method(root, "prompt", student={"temperature": 1.0, "label_weight": 0.0}, **SMALL)
    objective = adapted(objective, cfg)
    rounds = Rounds(tmp_path, prompt, steps=96)

    trained, run = rounds.run(objective, cfg)

    teacher, student = rounds.jobs
    model = teacher.objective.build_model()
    model.load_state_dict(dict(teacher.checkpoints.newest().tensors["best"]))
    logits = predict_outputs(model, teacher.objective.train.tokens)
    assert torch.allclose(student.objective.teacher_NL, logits, atol=1e-6)
    assert trained.scores["prompt"] == pytest.approx(teacher.objective.evaluate(model)["score"])
    plain = adapted(objective, None).build_model()
    plain.load_state_dict(trained.weights)
    assert objective.evaluate(plain)["score"] == trained.best["score"] > 0.8
    run.delete_checkpoints()
    assert not any((tmp_path / "checkpoints").iterdir())


@pytest.mark.parametrize("rest", [{}, {"seeds": [1, 2], "combine": "ensemble"}], ids=["one", "ensemble"])
def test_zero_shot_uses_no_label_of_the_training_texts(prompt, objective, tmp_path, root, rest):
    zero = {**method(root).prompt.model_dump(), "zero_shot": True}
    cfg = method(root, "prompt", prompt=zero, **SMALL, **rest)
    objective = adapted(objective, cfg)
    wrong = LabelledTokens(objective.train.tokens, 1 - objective.train.labels)

    first, _ = Rounds(tmp_path / "one", prompt).run(objective, cfg)
    other, _ = Rounds(tmp_path / "other", prompt).run(replace(objective, train=wrong), cfg)

    assert all(torch.equal(value, other.weights[name]) for name, value in first.weights.items())


@pytest.mark.parametrize("how", ["prompt", "full"])
def test_teachers_and_students_learn_the_probabilities_of_labels(how, prompt, objective, tmp_path, root):
    seeds = {"seeds": [1, 2], "combine": "ensemble"} if how == "full" else {}
    cfg = method(root, how, **SMALL, **seeds, student={"temperature": 1.0, "label_weight": 1.0})
    plain = adapted(objective, cfg)
    # Seven of ten people say what the label does not: whoever learns from labels learns the opposite.
    probable = np.where(plain.train.labels[:, None] == [0, 1], 0.3, 0.7).astype(np.float32)
    values = {one.name: getattr(plain, one.name) for one in fields(plain)}
    values["train"] = SoftLabelledTokens(plain.train.tokens, plain.train.labels, probable)
    soft = SoftLabelObjective(**values)

    trained, _ = Rounds(tmp_path, prompt if how == "prompt" else None, steps=48).run(soft, cfg)

    model = adapted(objective, None).build_model()
    model.load_state_dict(trained.weights)
    assert [one["score"] for one in trained.history][-1] < 0.3


@pytest.mark.parametrize("how", ["prompt", "full"])
def test_a_student_is_measured_as_the_objective_measures(how, prompt, objective, tmp_path, root):
    @dataclass
    class WithLength(LabelObjective):
        def evaluate(self, model):
            return {**super().evaluate(model), "texts": float(len(self.valid.tokens))}

    seeds = {"seeds": [1, 2], "combine": "ensemble"} if how == "full" else {}
    cfg = method(root, how, **SMALL, **seeds)
    plain = adapted(objective, cfg)
    measured = WithLength(**{one.name: getattr(plain, one.name) for one in fields(plain)})

    trained, _ = Rounds(tmp_path, prompt if how == "prompt" else None).run(measured, cfg)

    assert trained.best["texts"] == len(plain.valid.tokens)


@pytest.fixture
def pairs(objective):
    shared = ("start", "train", "valid", "labels", "batch_size", "score", "seed")
    return ContrastiveObjective(**{name: getattr(objective, name) for name in shared})


def test_half_of_the_pairs_are_of_one_label_and_no_text_is_its_own(pairs):
    same, rows = [], []
    for step in range(16):
        batch = pairs.batch(step)
        firsts = [pairs.train.tokens[row] for row in pairs.sampler.rows(step).tolist()]
        seconds = [
            ids[: int(mask.sum())].tolist()
            for ids, mask in zip(batch.more["second_BT"], batch.more["second_mask_BT"], strict=True)
        ]
        assert all(list(first) != second for first, second in zip(firsts, seconds, strict=True))
        same += batch.targets.tolist()
        rows += pairs.sampler.rows(step).tolist()

    assert 0.35 < sum(same) / len(same) < 0.65
    assert set(rows) == set(range(len(pairs.train.labels)))


def test_the_loss_of_pairs_is_worked_out_by_hand(pairs):
    class Vectors(torch.nn.Module):
        def forward(self, tokens, _mask):
            firsts, seconds = [[1.0, 0.0], [0.0, 2.0]], [[3.0, 4.0], [0.0, -1.0]]
            assert len(tokens) == 4
            return torch.tensor(firsts + seconds)

    batch = replace(pairs.batch(0).rows(slice(0, 2)), targets=torch.tensor([1.0, 0.0]), weight=2.0)

    # Cosines 0.6 and -1, wanted 1 and 0.
    assert pairs.loss(Vectors(), batch).item() == pytest.approx((0.4**2 + 1) / 2)


def test_texts_of_one_label_are_no_pairs(pairs):
    texts = replace(pairs.train, labels=pairs.train.labels * 0)

    with pytest.raises(DataRejected, match="all training texts have one"):
        replace(pairs, train=texts)


def test_the_head_is_where_its_loss_is_least(objective, pairs):
    sentences = pairs.build_model()
    model = fit_head(replace(objective, class_weights=1.0), sentences)
    vectors_ND = predict_outputs(sentences, objective.train.tokens)
    scale = torch.linalg.vector_norm(vectors_ND, dim=1).mean()

    def loss(weight, bias):
        entropy = objective.cross_entropy(vectors_ND @ weight.T + bias, objective.targets) / len(vectors_ND)
        return float(entropy + 0.005 * (scale * weight).square().sum())

    best = loss(model.head.weight.detach(), model.head.bias.detach())
    generator = torch.Generator().manual_seed(2)
    for _ in range(8):
        moved = torch.randn(2, 32, generator=generator) / scale / 10
        assert loss(model.head.weight.detach() + moved, model.head.bias.detach()) > best
    assert best < loss(torch.zeros(2, 32), torch.zeros(2))
