"""The ranks of AdaLoRA fall to their mean, the less important first, and stay at 0 after a restart."""

import pytest
import torch
from training_methods import adapted, method

from pipeline.base.errors import ConfigError
from pipeline.core.methods.rank_budget import RankBudget, require_steps
from pipeline.core.methods.recipe import Recipe
from pipeline.core.train.loop import Schedule, StepAdditions, WorkerShard, fit
from pipeline.core.train.optimizer import make_optimizer

STEPS, RANK = 20, 2


@pytest.fixture
def adaptive(objective, root):
    return adapted(objective, method(root, "adalora", lora={"rank": RANK, "targets": ["query", "value"]}))


def ranks(model):
    """Return how many entries of E are left in each adapter."""
    return [int((one != 0).sum()) for name, one in model.named_parameters() if "lora_E" in name]


def train(objective, *, until=STEPS):
    model = objective.build_model()
    budget = RankBudget(model, rank=RANK, steps=STEPS)
    optimizer = make_optimizer(model, weight_decay=0.0)
    steps = fit(
        model,
        objective,
        optimizer,
        Schedule(STEPS, 1e-2, 0.1, 1.0),
        WorkerShard(0, 1, 64),
        additions=StepAdditions(ranks=budget),
    )
    left = []
    for step in steps:
        budget.after_step(step.number)
        left.append(sum(ranks(model)))
        if step.number == until:
            break
    return model, budget, left


def test_the_ranks_fall_to_their_mean_and_stay_there(adaptive):
    model, _, left = train(adaptive)

    # Four matrices that begin with rank 3; the budget falls from step 2 to step 14.
    assert left[1] == 12
    assert left[13:] == [4 * RANK] * 7
    assert max(ranks(model)) > min(ranks(model)) or ranks(model) == [RANK] * 4


def test_the_penalty_pulls_a_matrix_towards_orthogonal_rows(adaptive):
    model, budget, _ = train(adaptive, until=1)
    for weight in model.parameters():
        weight.grad = None if weight.grad is None else torch.zeros_like(weight)
    name, matrix = next((n, w) for n, w in model.named_parameters() if "lora_A" in n and w.requires_grad)
    with torch.no_grad():
        matrix.zero_()
        matrix[0, 0], matrix[1, 0], matrix[2, 2] = 2.0, 1.0, 1.0

    budget.add_penalty()

    # M·Mᵀ - 1 = [[3, 2, 0], [2, 0, 0], [0, 0, 0]] of norm sqrt(17); its gradient is 2(M·Mᵀ - 1)M / norm,
    # of one of eight matrices, times 0.1.
    expected = 2 * torch.tensor([3.0 * 2 + 2 * 1, 2.0 * 2, 0.0]) / 17**0.5 / 8 * 0.1
    assert torch.allclose(matrix.grad[:, 0], expected, atol=1e-6), name


def test_a_budget_resumes_with_its_importance(adaptive):
    model, budget, _ = train(adaptive, until=10)
    state = {name: value.clone() for name, value in budget.state().items()}
    again = RankBudget(model, rank=RANK, steps=STEPS)
    again.load(state)

    assert state.keys() == again.state().keys()
    assert all(torch.equal(value, again.state()[name]) for name, value in state.items())
    for one in (budget, again):
        one.after_step(11)
    assert all(torch.equal(value, again.state()[name]) for name, value in budget.state().items())


def test_a_training_too_short_for_a_budget_is_refused():
    with pytest.raises(ConfigError, match="needs 10 steps to divide its ranks, and the training has 9"):
        require_steps(9, longer="min_steps")
    require_steps(10, longer="min_steps")


@pytest.mark.parametrize(("start", "longer"), [("encoder", "min_steps"), ("champion", "epochs")])
def test_a_short_training_learns_which_setting_lengthens_it(start, longer, root):
    recipe = Recipe.of(method(root, "adalora").model_copy(update={"start": start}))

    with pytest.raises(ConfigError, match=f"Write a larger `{longer}` under"):
        recipe.require_steps(9)
