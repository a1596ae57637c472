"""The first 20 losses of each objective are those that are stored.

Bit for bit holds on one kind of machine: the kernels of a matrix product depend on the processor and on the
version of torch. Elsewhere the stored figures hold to 1e-5; two runs of one machine are equal bit for bit.
`pytest tests/core/train/objectives/test_golden_losses.py --regen` writes the figures anew.
"""

import json
import platform
from itertools import islice
from pathlib import Path

import pytest
import torch

from pipeline.core.train.loop import Schedule, WorkerShard, fit
from pipeline.core.train.optimizer import make_optimizer

STORED = Path(__file__).with_name("golden_losses.json")
STEPS = 20
SCHEDULE = Schedule(steps=40, learning_rate=3e-3, warmup_ratio=0.1, max_grad_norm=1.0)


OBJECTIVES = (
    "masked_words",
    "packed_words",
    "next_sentence",
    "sentence_order",
    "causal",
    "labels",
    "soft_labels",
    "several_labels",
    "token_labels",
    "teacher",
)


def machine():
    """Return what decides the last bits of a product of matrices."""
    with Path("/proc/cpuinfo").open() as lines:
        vendor = next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "")
    return [torch.__version__, torch.backends.cpu.get_cpu_capability(), platform.machine(), vendor]


def losses(objective, *, micro_batch=64, steps=STEPS):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = objective.build_model()
        optimizer = make_optimizer(model, weight_decay=0.01)
        trained = fit(model, objective, optimizer, SCHEDULE, WorkerShard(0, 1, micro_batch))
        return [step.loss for step in islice(trained, steps)]
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_first_losses_are_those_that_are_stored(name, request):
    measured = losses(request.getfixturevalue(name))
    stored = json.loads(STORED.read_text("utf-8")) if STORED.exists() else {}
    if request.config.getoption("--regen"):
        stored = stored if stored.get("machine") == machine() else {"machine": machine()}
        stored[name] = [loss.hex() for loss in measured]
        STORED.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", "utf-8")

    expected = [float.fromhex(text) for text in stored[name]]

    assert measured == pytest.approx(expected, abs=1e-5)
    if stored["machine"] == machine():
        assert measured == expected


@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_runs_lose_the_same_to_the_last_bit(name, request):
    objective = request.getfixturevalue(name)

    assert losses(objective, steps=5) == losses(objective, steps=5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_micro_batches_lose_the_same_to_the_fifth_digit(name, request):
    objective = request.getfixturevalue(name)

    assert losses(objective, micro_batch=5) == pytest.approx(losses(objective), abs=1e-4)
