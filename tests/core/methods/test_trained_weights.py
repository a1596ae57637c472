"""What a method does not train stays as it is, bit for bit, and takes no part in the backward pass."""

from dataclasses import replace

import pytest
import torch
from tiny_starts import CONFIGS
from training_methods import adapted, method

from pipeline.base.errors import ConfigError
from pipeline.core.methods.blocks import blocks_of
from pipeline.core.methods.trained_weights import count_weights, require_method
from pipeline.core.model.encoder import empty_encoder
from pipeline.core.model.published import encoder_config
from pipeline.core.train.loop import Schedule, WorkerShard, fit
from pipeline.core.train.optimizer import make_optimizer

SIX_BLOCKS = {**CONFIGS["bert"], "num_hidden_layers": 6}


def train(objective, steps=3):
    model = objective.build_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = make_optimizer(model, weight_decay=0.01)
    list(fit(model, objective, optimizer, Schedule(steps, 3e-3, 0.1, 1.0), WorkerShard(0, 1, 64)))
    after = model.state_dict()
    return model, {name for name, value in before.items() if not torch.equal(after[name], value)}


@pytest.mark.parametrize(
    ("name", "changes"),
    [("head", ("head.",)), ("top:1", ("head.", "encoder.encoder.layer.1.")), ("lora", ("head.", "lora_"))],
)
def test_only_the_chosen_weights_change(name, changes, objective, root):
    model, changed = train(adapted(objective, method(root, name)))

    assert changed == {
        weight
        for weight, _ in model.named_parameters()
        if weight.startswith(changes) or any(part in weight for part in changes if part == "lora_")
    }
    assert {weight for weight, one in model.named_parameters() if one.grad is not None} == changed


def test_the_optimizer_holds_the_trained_weights_alone(objective, root):
    model = adapted(objective, method(root, "top:1")).build_model()

    optimizer = make_optimizer(model, weight_decay=0.01)

    held = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert held == {id(weight) for weight in model.parameters() if weight.requires_grad}


def test_a_frozen_encoder_keeps_nothing_for_a_backward_pass(objective, root):
    objective = adapted(objective, method(root, "head"))
    model = objective.build_model()
    kept = []

    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.numel()), lambda one: one):
        objective.loss(model, objective.batch(0))

    # The means of 16 texts of width 32 and what the small head and its loss need; no token's activations.
    assert sum(kept) < 16 * 32 + 200


def test_the_backward_pass_ends_at_the_lowest_trained_block(objective, root):
    model = adapted(objective, method(root, "top:1")).build_model()
    seen = {}
    for number, block in enumerate(blocks_of(model.encoder)):
        block.register_forward_hook(lambda _m, _i, output, n=number: seen.update({n: output.requires_grad}))

    objective.loss(model, objective.batch(0))

    assert seen == {0: False, 1: True}


def test_full_and_no_method_train_the_same_weights_to_the_last_bit(objective, root):
    full, _ = train(adapted(objective, method(root, "full")))
    before, _ = train(replace(objective, start=replace(objective.start, method=None)))

    assert all(torch.equal(full.state_dict()[name], value) for name, value in before.state_dict().items())


def test_weights_are_counted_by_hand(objective, root):
    # Width 32: the head has 2 x 32 + 2 weights, a block 4 x (32 x 32 + 32) + 2 x 32 x 64 + 64 + 32 + 4 x 32.
    head, block = 66, 4224 + 4096 + 96 + 128
    saved = count_weights(objective.build_model()).saved

    counts = {
        name: count_weights(adapted(objective, method(root, name)).build_model())
        for name in ("full", "head", "top:1", "top:2")
    }
    adapters = count_weights(
        adapted(
            objective, method(root, "lora", lora={"rank": 3, "targets": ["query", "value"]})
        ).build_model()
    )

    assert {name: one.trained for name, one in counts.items()} == {
        "full": saved,
        "head": head,
        "top:1": head + block,
        "top:2": head + 2 * block,
    }
    # Two blocks, two matrices of 32 x 32, an adapter of 3 x 32 on each side.
    assert adapters.trained == head + 2 * 2 * (3 * 32 + 32 * 3)
    assert {one.saved for one in (*counts.values(), adapters)} == {saved}
    assert counts["head"].share == head / saved


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_the_blocks_of_every_family_are_found(name):
    config = encoder_config(CONFIGS[name], where=name)

    blocks = blocks_of(empty_encoder(config))

    assert len(blocks) == empty_encoder(config).config.num_hidden_layers


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "top:9"}, "asks for 9 blocks, and this encoder has 6. Write `method: top:6` or less"),
        ({"name": "lora", "lora": {"targets": ["q_lin", "query"]}}, "is called q_lin. Write `all`"),
        ({"name": "adalora", "lora": {"targets": ["uery"]}}, r"attention\.self\.query"),
        ({"name": "lora", "lora": {"targets": [""]}}, r"attention\.self\.query"),
        ({"name": "lora", "lora": {"rank": 33}}, "rank is 33, and no matrix .* above 32. Write `rank: 32`"),
        ({"name": "adalora", "lora": {"rank": 10**9}}, "rank is 1,000,000,000, and no matrix"),
    ],
)
def test_blocks_and_matrices_that_do_not_exist_are_refused(wrong, message, root):
    with pytest.raises(ConfigError, match=message):
        require_method(SIX_BLOCKS, method(root, **wrong))


@pytest.mark.parametrize("name", ["top:6", "lora", "adalora", "head", "full"])
def test_a_method_that_fits_is_accepted(name, root):
    require_method(SIX_BLOCKS, method(root, name))
