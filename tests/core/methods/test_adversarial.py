"""The perturbation is along the gradient, within its norm, in no padding, and gone after the step."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from training_methods import adapted, method

from pipeline.base.config import PerturbationConfig
from pipeline.core.methods.adversarial import Adversarial
from pipeline.core.train.loop import Schedule, StepAdditions, WorkerShard, fit
from pipeline.core.train.optimizer import make_optimizer

IDS = torch.tensor([[1, 2, 0], [2, 0, 0]])


class Words(nn.Module):
    """Embed two words and padding; remember what comes out."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(
            torch.tensor([[0.0, 0.0], [3.0, 4.0], [4.0, -3.0]]), freeze=False
        )
        self.config = SimpleNamespace(pad_token_id=0)
        self.outputs = []

    def get_input_embeddings(self):
        return self.embedding

    def forward(self):
        embedded_RTE = self.embedding(IDS)
        self.outputs.append(embedded_RTE.detach().clone())
        return embedded_RTE


def passes(kind, slope, *, norm=1.0, steps=3, rate=0.5):
    """Run all passes with the loss sum(slope * embedding) over tokens that are no padding."""
    encoder = Words()
    adversarial = Adversarial(encoder, kind, PerturbationConfig(norm=norm, steps=steps, rate=rate))
    used_RT1 = (IDS != 0).unsqueeze(2)
    losses = []
    for loss in adversarial.losses(lambda: (encoder() * slope * used_RT1).sum(), seed=4):
        loss.backward()
        losses.append(loss.item())
    plain_RTE = encoder()
    assert len(losses) == adversarial.passes
    return losses, [(output - plain_RTE).detach() for output in encoder.outputs[:-1]], encoder


def test_fgm_moves_a_text_by_the_norm_along_the_gradient():
    losses, (first, second), encoder = passes("fgm", torch.tensor([3.0, 4.0]), norm=0.4)

    # A word has norm 5, so a text moves by 2. Row 0 has two tokens of gradient (3, 4), so norm sqrt(50);
    # row 1 has one, so norm 5.
    assert first.abs().max() == 0
    assert torch.allclose(second[0, :2], torch.tensor([3.0, 4.0]).repeat(2, 1) * 2 / 50**0.5)
    assert torch.allclose(second[1, 0], torch.tensor([1.2, 1.6]))
    assert second[0, 2].abs().sum() == second[1, 1:].abs().sum() == 0
    # The texts alone: (9 + 16) + 2 x (12 - 12); the second pass adds the move times the gradient's norm.
    assert losses == pytest.approx([25 / 2, (25 + 2 * (50**0.5 + 5)) / 2])
    # The gradient of both passes, each divided by two.
    assert encoder.embedding.weight.grad[1].tolist() == [3.0, 4.0]


def test_freelb_climbs_by_its_rate_and_stays_within_its_norm():
    losses, moves, _ = passes("freelb", torch.tensor([3.0, 4.0]), norm=0.12, steps=3, rate=0.1)
    norms = [torch.linalg.vector_norm(move, dim=(1, 2)) for move in moves]

    assert len(moves) == 3
    assert all(float(norm.max()) <= 0.6 + 1e-6 for norm in norms)
    assert losses[0] < losses[1] < losses[2]
    # A word has norm 5: after two steps of 0.5 along one direction the border of 0.6 is reached.
    assert torch.allclose(norms[2], torch.tensor([0.6, 0.6]), atol=1e-5)
    assert all(float(move[0, 2].abs().sum() + move[1, 1:].abs().sum()) == 0 for move in moves)


def test_a_text_without_gradient_stays_as_it_is():
    _, (_, second), _ = passes("fgm", torch.zeros(2))

    assert second.abs().max() == 0


@pytest.mark.parametrize("kind", ["fgm", "freelb"])
@pytest.mark.parametrize("factor", [0.01, 1.0, 100.0])
def test_a_perturbation_is_as_large_beside_small_embeddings_as_beside_large_ones(kind, factor):
    def moved(scale):
        encoder = Words()
        encoder.embedding.weight.data *= scale
        adversarial = Adversarial(encoder, kind, PerturbationConfig(norm=0.3, steps=2, rate=0.2))
        for loss in adversarial.losses(lambda: (encoder() ** 2 / scale).sum(), seed=4):
            loss.backward()
        return (encoder.outputs[1] - encoder.outputs[0]) / scale

    assert torch.allclose(moved(factor), moved(1.0), atol=1e-5)


@pytest.mark.parametrize(("kind", "name"), [("fgm", "full"), ("freelb", "full"), ("fgm", "lora")])
def test_the_passes_share_their_dropout_and_leave_no_hook(kind, name, objective, root):
    cfg = method(root, name, adversarial=kind, perturbation={"norm": 1e-9, "rate": 1e-9})
    objective = adapted(objective, cfg, dropout=0.3)
    model = objective.build_model().train()
    adversarial = Adversarial(model.encoder, kind, cfg.perturbation)

    losses = []
    for loss in adversarial.losses(lambda: objective.loss(model, objective.batch(0)), seed=4):
        loss.backward()
        losses.append(loss.item())

    # A perturbation of next to nothing: the losses differ only where dropout does.
    assert losses == pytest.approx([losses[0]] * adversarial.passes, abs=1e-6)
    assert not model.encoder.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize("kind", ["fgm", "freelb"])
def test_a_model_learns_from_perturbed_texts_in_any_pieces(kind, objective, root):
    perturbation = method(root, perturbation={"norm": 0.1, "rate": 0.05}).perturbation

    def trained(micro_batch):
        model = objective.build_model()
        additions = StepAdditions(Adversarial(model.encoder, kind, perturbation))
        steps = fit(
            model,
            objective,
            make_optimizer(model, weight_decay=0.01),
            Schedule(40, 3e-3, 0.1, 1.0),
            WorkerShard(0, 1, micro_batch),
            additions=additions,
        )
        return model, [step.loss for step in steps]

    model, losses = trained(64)
    assert objective.evaluate(model)["score"] > 0.9
    assert losses[-1] < 0.3
    assert trained(5)[1][:6] == pytest.approx(losses[:6], abs=1e-5)
