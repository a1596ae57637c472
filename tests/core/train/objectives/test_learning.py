"""Every objective learns its small fixture, and travels to a worker without its tokens' index."""

import math
import pickle
from itertools import islice

import pytest
import torch

from pipeline.core.train.loop import Schedule, WorkerShard, fit
from pipeline.core.train.optimizer import make_optimizer


def train(objective, steps, peak=3e-3):
    model = objective.build_model()
    optimizer = make_optimizer(model, weight_decay=0.01)
    done = list(fit(model, objective, optimizer, Schedule(steps, peak, 0.1, 1.0), WorkerShard(0, 1, 64)))
    return model, done


WORDS = ("masked_words", "packed_words", "causal", "answers")


@pytest.mark.parametrize("name", WORDS)
def test_perplexity_falls_far_below_that_of_a_uniform_prediction(name, request, tokenizer):
    objective = request.getfixturevalue(name)
    before = objective.evaluate(objective.build_model())["perplexity"]

    model, _ = train(objective, 60, peak=1e-2)

    assert before == pytest.approx(tokenizer.get_vocab_size(), rel=0.3)
    assert objective.evaluate(model)["perplexity"] < before / 4


@pytest.mark.parametrize("name", ["several_labels", "token_labels", "soft_labels"])
def test_a_tiny_model_overfits_its_texts(name, request):
    objective = request.getfixturevalue(name)

    model, _ = train(objective, 80, peak=1e-2)

    assert objective.evaluate(model)["score"] > 0.97


@pytest.mark.parametrize(
    ("name", "choices"), [("several_labels", 2), ("token_labels", 3), ("soft_labels", 2)]
)
def test_first_loss_is_that_of_a_uniform_prediction(name, choices, request):
    _, (first,) = train(request.getfixturevalue(name), 1)

    assert first.loss == pytest.approx(math.log(choices), abs=0.06)


@pytest.mark.parametrize(
    "name",
    ["masked_words", "packed_words", "next_sentence", "causal", "answers", "soft_labels", "token_labels"],
)
def test_two_workers_have_the_mean_gradient_of_one(name, request):
    objective = request.getfixturevalue(name)

    def gradient(shard):
        model = objective.build_model()
        for part in shard.micro_batches(objective.batch(3)):
            (objective.loss(model, part) * shard.workers).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    alone = gradient(WorkerShard(0, 1, 64))
    two = [gradient(WorkerShard(rank, 2, 3)) for rank in (0, 1)]

    assert torch.allclose(sum(two) / 2, alone, atol=2e-6)


def test_a_used_objective_travels_as_its_fields_alone(packed_words):
    list(islice(map(packed_words.batch, range(3)), 3))

    again = pickle.loads(pickle.dumps(packed_words))

    assert "packed_sampler" in vars(packed_words)
    assert "packed_sampler" not in vars(again)
    assert again.batch(5).tokens_BT.equal(packed_words.batch(5).tokens_BT)
