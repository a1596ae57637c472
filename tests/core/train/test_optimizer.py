import pytest
import torch
from training_methods import adapted, method

from pipeline.core.train.loop import Schedule, WorkerShard, fit
from pipeline.core.train.optimizer import make_optimizer


def factors(model, optimizer):
    """Return the factor of the learning rate of each trained weight."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    return {names[id(w)]: group["rate_factor"] for group in optimizer.param_groups for w in group["params"]}


def test_the_rate_falls_from_each_block_to_the_one_below(objective):
    model = objective.build_model()

    rates = factors(model, make_optimizer(model, weight_decay=0.1, layer_decay=0.5))

    assert rates["head.weight"] == 1.0
    assert rates["encoder.encoder.layer.1.output.dense.weight"] == 0.5
    assert rates["encoder.encoder.layer.0.output.dense.bias"] == 0.25
    assert rates["encoder.embeddings.word_embeddings.weight"] == 0.125
    assert rates.keys() == {name for name, _ in model.named_parameters()}


def test_adapters_have_the_rate_of_their_block(objective, root):
    model = adapted(objective, method(root, "lora")).build_model()

    rates = factors(model, make_optimizer(model, weight_decay=0.1, layer_decay=0.5))

    assert {rate for name, rate in rates.items() if ".layer.0." in name} == {0.25}
    assert {rate for name, rate in rates.items() if ".layer.1." in name} == {0.5}


def test_a_step_follows_the_factor_and_decay_spares_vectors(objective):
    model = objective.build_model()
    optimizer = make_optimizer(model, weight_decay=0.1, layer_decay=0.5)

    list(fit(model, objective, optimizer, Schedule(2, 1e-3, 0.5, 1.0), WorkerShard(0, 1, 64)))

    rates = [group["lr"] / group["rate_factor"] for group in optimizer.param_groups]
    assert rates == pytest.approx([1e-3] * len(rates))
    assert all(
        group["weight_decay"] == (0.1 if weight.ndim >= 2 else 0.0)
        for group in optimizer.param_groups
        for weight in group["params"]
    )


def test_without_decay_the_weights_are_those_of_one_rate(objective):
    model = objective.build_model()

    optimizer = make_optimizer(model, weight_decay=0.1)

    assert [group["rate_factor"] for group in optimizer.param_groups] == [1.0, 1.0]
    assert all(torch.is_tensor(weight) for group in optimizer.param_groups for weight in group["params"])
