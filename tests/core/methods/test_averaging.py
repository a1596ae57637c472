import pytest
import torch
from torch import nn

from pipeline.core.methods.averaging import WeightAverage


def walked(kind, *, share, steps, values, resumed_at=None):
    """Set the one trained weight to each value in turn; return the model and its average."""
    model = nn.Linear(1, 1)
    model.bias.requires_grad_(False)
    average = WeightAverage(model, kind, share=share, steps=steps)
    for step, value in enumerate(values, 1):
        model.weight.data.fill_(value)
        average.after_step(step)
        if step == resumed_at:
            state = {name: value.clone() for name, value in average.state().items()}
            average = WeightAverage(model, kind, share=share, steps=steps)
            average.load(state)
    return model, average


def test_the_mean_of_the_last_steps_is_worked_out_by_hand():
    model, average = walked("last", share=0.5, steps=6, values=[100, 100, 100, 1, 2, 6])

    with average.applied():
        assert model.weight.item() == pytest.approx(3.0)
    assert model.weight.item() == 6.0


def test_before_the_last_steps_there_is_no_mean():
    model, average = walked("last", share=0.5, steps=6, values=[1, 2, 3])

    with average.applied():
        assert model.weight.item() == 3.0
    assert average.state() == {}


def test_the_exponential_mean_is_worked_out_by_hand():
    # Reach 2: the first value, the mean of two, then half old and half new.
    model, average = walked("ema", share=0.5, steps=4, values=[4, 8, 2, 0])

    with average.applied():
        assert model.weight.item() == pytest.approx(((4 + 8) / 2 + 2) / 4)


@pytest.mark.parametrize("kind", ["ema", "last"])
def test_a_resumed_mean_equals_one_that_never_stopped(kind):
    values = [0.1, 0.7, 0.3, 0.9, 0.4, 0.2]
    straight = walked(kind, share=0.6, steps=6, values=values)[1].state()
    resumed = walked(kind, share=0.6, steps=6, values=values, resumed_at=4)[1].state()

    assert straight.keys() == resumed.keys() == {"weight"}
    assert torch.equal(straight["weight"], resumed["weight"])
