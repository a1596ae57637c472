"""Adapters change nothing at first, and merged they predict as they did beside their matrices."""

import pytest
import torch
from tiny_starts import CONFIGS
from training_methods import adapted, method

from pipeline.core.methods.adapters import merged_weights
from pipeline.core.methods.trained_weights import choose_weights
from pipeline.core.model.encoder import build_encoder, hidden_states
from pipeline.core.model.published import encoder_config
from pipeline.core.train.loop import Schedule, WorkerShard, fit
from pipeline.core.train.optimizer import make_optimizer

TOKENS = torch.tensor([[2, 17, 40, 41, 3], [2, 90, 3, 7, 12]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.mark.parametrize("name", ["lora", "adalora"])
@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_merged_adapters_of_every_family_predict_as_before(family, name, root):
    config = encoder_config(CONFIGS[family], where=family)
    plain = build_encoder(config, dropout=0.0, seed=5).eval()
    encoder = build_encoder(config, dropout=0.0, seed=5).eval()
    choose_weights(encoder, method(root, name), seed=5)
    with torch.no_grad():
        first = hidden_states(encoder, TOKENS, MASK)
        assert torch.allclose(first, hidden_states(plain, TOKENS, MASK), atol=1e-6)
        generator = torch.Generator().manual_seed(1)
        for weight in (one for key, one in encoder.named_parameters() if "lora_" in key):
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
        beside = hidden_states(encoder, TOKENS, MASK)
        again = build_encoder(config, dropout=0.0, seed=6)
        choose_weights(again, method(root, name), seed=6)
        plain.load_state_dict(merged_weights(again, encoder.state_dict()))

        merged = hidden_states(plain, TOKENS, MASK)

    assert not torch.allclose(beside, first, atol=1e-2)
    assert torch.allclose(merged, beside, atol=1e-5)
    assert not hasattr(again, "peft_config")


@pytest.mark.parametrize("name", ["lora", "adalora"])
def test_a_model_with_adapters_learns_and_leaves_no_trace_of_them(name, objective, root):
    objective = adapted(objective, method(root, name, lora={"rank": 4, "alpha": 32.0}))
    model = objective.build_model()
    schedule = Schedule(80, 1e-2, 0.1, 1.0)
    list(fit(model, objective, make_optimizer(model, weight_decay=0.0), schedule, WorkerShard(0, 1, 64)))

    weights = merged_weights(objective.build_model(), model.state_dict())

    plain = adapted(objective, None).build_model()
    plain.load_state_dict(weights)
    assert objective.evaluate(model)["score"] > 0.9
    assert objective.evaluate(plain) == objective.evaluate(model)


def test_equal_seeds_begin_with_equal_adapters(objective, root):
    objective = adapted(objective, method(root, "lora"))

    first, second = (objective.build_model().state_dict() for _ in range(2))

    assert all(torch.equal(first[name], value) for name, value in second.items())


def test_a_target_names_matrices_by_the_end_of_their_name(root):
    encoder = build_encoder(CONFIGS["bert"], dropout=0.0, seed=5)

    choose_weights(encoder, method(root, "lora", lora={"targets": ["output.dense", "query"]}), seed=5)

    adapted_paths = {
        name.partition(".lora_A")[0] for name, _ in encoder.named_parameters() if "lora_A" in name
    }
    assert adapted_paths == {
        f"encoder.layer.{number}.{name}"
        for number in (0, 1)
        for name in ("attention.self.query", "attention.output.dense", "output.dense")
    }
