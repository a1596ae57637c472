from time import perf_counter

import pytest
import torch
from training_jobs import job, resources

from pipeline.core.train.precision import Precision
from pipeline.core.train.ray_trainer import run_training
from pipeline.core.train.throughput import Arithmetic, Throughput, matmul_rate, measure_arithmetic

CPU = torch.device("cpu")
FLOAT32 = Precision("float32", "cpu")


def test_tokens_a_second_leave_out_what_is_no_training():
    seconds = iter([0.0, 10.0, 12.0, 100.0, 102.0])
    throughput = Throughput(lambda: next(seconds))
    throughput.begin()
    throughput.add(300)
    throughput.begin()
    throughput.add(100)

    assert throughput.read() == pytest.approx(400 / 4)
    assert throughput.read() == 0.0


def test_utilisation_is_the_share_of_the_devices_rate():
    assert Arithmetic(operations=6e6, rate=6e10).utilisation(5000.0) == pytest.approx(0.5)


def by_hand(model, objective):
    """Return the operations of a token: two a weight forward, four backward, and those of attention."""
    batch = objective.batch(0).rows(slice(0, 8))
    tokens = batch.tokens_BT.shape[1]
    blocks = [one for one in model.encoder.modules() if isinstance(one, torch.nn.Linear)]
    weights = sum(one.weight.numel() for one in blocks)
    config = model.encoder.config
    # Scores and their weighted sum: two products of T x T x width in each layer.
    attention = 4 * tokens * config.hidden_size * config.num_hidden_layers
    return 3 * (2 * weights + attention)


def test_operations_are_those_of_its_matrices(objective):
    model = objective.build_model()
    expected = by_hand(model, objective)

    measured = measure_arithmetic(model, objective, FLOAT32, perf_counter)

    assert measured.operations == pytest.approx(expected, rel=0.05)


def test_each_pass_over_perturbed_texts_counts(objective):
    model = objective.build_model()
    once, thrice = (
        measure_arithmetic(model, objective, FLOAT32, perf_counter, passes=n).operations for n in (1, 3)
    )

    assert thrice == pytest.approx(3 * once)


def test_frozen_matrices_cost_less(objective):
    model = objective.build_model()
    every = measure_arithmetic(model, objective, FLOAT32, perf_counter).operations
    model.encoder.requires_grad_(requires_grad=False)
    forward = measure_arithmetic(model, objective, FLOAT32, perf_counter).operations

    assert forward == pytest.approx(every / 3, rel=0.05)


def test_counting_leaves_weights_gradients_and_random_numbers_alone(objective):
    model = objective.build_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    measure_arithmetic(model, objective, FLOAT32, perf_counter)
    drawn = torch.rand(3)

    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    assert all(weight.grad is None for weight in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_processor_does_more_than_a_billion_operations_a_second():
    assert 1e9 < matmul_rate(CPU, FLOAT32, perf_counter) < 1e14


class Kept:
    """Remember the points of all curves."""

    def __init__(self):
        self.points = []

    def log(self, training, step, metrics):
        self.points.append((step, metrics))

    def close(self):
        pass


def test_a_training_shows_the_share_of_the_machine_that_it_uses(objective, tmp_path):
    curves = Kept()

    run_training(job(objective, tmp_path, steps=20, eval_steps=(20,)), resources(tmp_path), curves)

    shares = [metrics["flops_utilisation"] for _, metrics in curves.points if "tokens_per_second" in metrics]
    assert len(shares) == 2
    assert all(0 < share < 1.5 for share in shares)
