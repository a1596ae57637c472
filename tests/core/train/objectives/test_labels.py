"""Label smoothing and R-Drop, worked by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.core.train.batches import Batch
from pipeline.core.train.objectives.labels import LossOptions, divergence

# Predicted probabilities of two texts with labels 0 and 1.
PROBABILITIES = torch.tensor([[0.8, 0.2], [0.4, 0.6]])


class Constant(torch.nn.Module):
    """Predict the same for every batch, once or twice."""

    def forward(self, tokens, _mask):
        return PROBABILITIES.log()[:2].repeat(len(tokens) // 2, 1)


def batch(targets, weight=2.0):
    return Batch(torch.ones(2, 1), torch.ones(2, 1), torch.tensor(targets), weight)


def test_smoothing_gives_each_label_its_share(objective):
    smoothed = replace(objective, options=LossOptions(smoothing=0.2))

    loss = smoothed.loss(Constant(), batch([0, 1])).item()

    # 0.9 of the probability is the label's, 0.1 the other's.
    by_hand = -(0.9 * math.log(0.8) + 0.1 * math.log(0.2) + 0.9 * math.log(0.6) + 0.1 * math.log(0.4)) / 2
    assert loss == pytest.approx(by_hand)


def test_smoothing_is_the_same_for_labels_and_for_their_probabilities(soft_labels, objective):
    certain = replace(soft_labels.train, probabilities=np.eye(2, dtype=np.float32)[soft_labels.train.labels])
    options = LossOptions(smoothing=0.3)
    soft = replace(soft_labels, train=certain, class_weights=0.7, options=options)
    hard = replace(objective, class_weights=0.7, options=options)
    model = objective.build_model()

    assert soft.loss(model, soft.batch(3)).item() == pytest.approx(
        hard.loss(model, hard.batch(3)).item(), abs=1e-6
    )


def test_divergence_is_the_mean_of_both_directions():
    first, second = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.9, 0.1]])

    found = float(divergence(first.log(), second.log()))

    forth = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    back = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    assert found == pytest.approx((forth + back) / 2)


def test_two_equal_passes_of_r_drop_lose_what_one_does(objective):
    twice = replace(objective, options=LossOptions(r_drop=4.0))

    assert float(twice.loss(Constant(), batch([0, 1]))) == pytest.approx(
        float(objective.loss(Constant(), batch([0, 1])))
    )


def test_two_passes_of_r_drop_differ_by_their_dropout_and_count_by_their_weight(objective):
    start = replace(objective.start, dropout=0.3)
    losses = []
    for weight in (0.0, 1.0, 3.0):
        one = replace(objective, start=start, options=LossOptions(r_drop=weight or 1e-30))
        torch.manual_seed(9)
        losses.append(one.loss(one.build_model().train(), one.batch(0)).item())

    assert losses[1] > losses[0]
    assert losses[2] - losses[0] == pytest.approx(3 * (losses[1] - losses[0]), rel=1e-3)
