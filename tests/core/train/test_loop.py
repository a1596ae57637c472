import math
from dataclasses import replace

import pytest
import torch

from pipeline.core.train.batches import Batch
from pipeline.core.train.loop import Schedule, WorkerShard, fit
from pipeline.core.train.objectives import predict_labels
from pipeline.core.train.optimizer import learning_rate_at, make_optimizer

ALONE = WorkerShard(rank=0, workers=1, micro_batch=64)


def schedule(steps, peak=3e-3):
    return Schedule(steps=steps, learning_rate=peak, warmup_ratio=0.1, max_grad_norm=1.0)


def train(objective, steps, shard=ALONE):
    model = objective.build_model()
    steps_done = list(fit(model, objective, make_optimizer(model, weight_decay=0.01), schedule(steps), shard))
    return model, steps_done


def test_learning_rate_rises_to_its_peak_and_falls_to_zero():
    rates = [learning_rate_at(step, steps=10, peak=1.0, warmup_ratio=0.2) for step in range(10)]

    assert rates == [0.5, 1.0, *(step / 8 for step in range(8, 0, -1))]


def test_first_loss_is_that_of_a_uniform_prediction(objective):
    _, (first, *_) = train(objective, 1)

    assert first.loss == pytest.approx(math.log(2), abs=0.05)


def test_a_tiny_model_overfits_its_texts(objective):
    model, steps = train(objective, 60)

    assert objective.evaluate(model)["score"] == 1.0
    assert steps[-1].loss < 0.1


def test_equal_seeds_give_equal_weights(objective):
    first, second = (train(objective, 5)[0].state_dict() for _ in range(2))
    other = train(replace(objective, seed=8), 5)[0].state_dict()

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_micro_batches_change_only_the_last_digits(objective):
    whole, _ = train(objective, 5)
    pieces, _ = train(objective, 5, WorkerShard(rank=0, workers=1, micro_batch=3))

    assert torch.allclose(whole.head.weight, pieces.head.weight, atol=1e-5)


def test_mean_gradient_of_two_workers_is_that_of_one(objective):
    def gradient(shard):
        model = objective.build_model()
        for part in shard.micro_batches(objective.batch(0)):
            (objective.loss(model, part) * shard.workers).backward()
        return model.head.weight.grad

    two = [gradient(WorkerShard(rank=rank, workers=2, micro_batch=64)) for rank in (0, 1)]

    assert torch.allclose(sum(two) / 2, gradient(ALONE), atol=1e-6)


@pytest.mark.parametrize(
    ("texts", "workers", "micro_batch"), [(513, 2, 256), (1, 3, 64), (5, 4, 1), (64, 2, 7)]
)
def test_workers_get_equally_many_pieces_and_no_text_is_lost(texts, workers, micro_batch):
    batch = Batch(torch.arange(texts)[:, None], torch.ones(texts, 1), torch.zeros(texts), weight=float(texts))
    parts = [list(WorkerShard(rank, workers, micro_batch).micro_batches(batch)) for rank in range(workers)]
    weighing = [part for worker in parts for part in worker if math.isfinite(part.weight)]

    assert len({len(worker) for worker in parts}) == 1
    assert sorted(int(row) for part in weighing for row in part.tokens_BT[:, 0]) == list(range(texts))
    assert max(len(part) for part in weighing) <= micro_batch


def test_rare_labels_weigh_more_and_the_mean_weight_is_one(objective):
    labels = objective.train.labels.copy()
    labels[:96] = 1
    labels[96:] = 0
    weighted = replace(objective, train=replace(objective.train, labels=labels), class_weights=1.0)

    assert weighted.weights_L.tolist() == pytest.approx([2.0, 2 / 3])
    assert float(weighted.weights_L[torch.from_numpy(labels)].mean()) == pytest.approx(1.0)


def test_texts_do_not_leak_into_their_batch_and_padding_has_no_effect(objective):
    model, _ = train(objective, 5)
    model.eval()
    short, long, other = (objective.train.tokens[row] for row in (0, 40, 41))

    def logits(texts):
        longest = max(map(len, texts))
        tokens = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in texts])
        mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in texts])
        with torch.inference_mode():
            return model(tokens, mask)

    assert torch.allclose(logits([short])[0], logits([short, long])[0], atol=1e-5)
    assert torch.allclose(logits([short, long])[0], logits([short, other])[0], atol=1e-5)


def test_predicted_labels_are_in_the_order_of_the_texts(objective):
    model, _ = train(objective, 60)

    assert predict_labels(model, objective.train.tokens).tolist() == objective.train.labels.tolist()
