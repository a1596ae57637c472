import math
from dataclasses import replace

import pytest
import torch

from pipeline.core.train.batches import Batch
from pipeline.core.train.loop import Schedule, WorkerShard, fit
from pipeline.core.train.objectives import predict_labels
from pipeline.core.train.optimizer import learning_rate_at, make_optimizer

ALONE = WorkerShard(rank=0, workers=1, micro_batch=64)


def course(steps, peak=3e-3):
    return Schedule(steps=steps, learning_rate=peak, warmup_ratio=0.1, max_grad_norm=1.0)


def trained(method, steps, share=ALONE):
    model = method.model()
    made = list(fit(model, method, make_optimizer(model, weight_decay=0.01), course(steps), share))
    return model, made


def test_the_rate_rises_to_its_peak_and_falls_to_nothing():
    rates = [learning_rate_at(step, steps=10, peak=1.0, warmup_ratio=0.2) for step in range(10)]

    assert rates == [0.5, 1.0, *(step / 8 for step in range(8, 0, -1))]


def test_the_first_loss_is_that_of_not_knowing(method):
    _, (first, *_) = trained(method, 1)

    assert first.loss == pytest.approx(math.log(2), abs=0.05)


def test_a_tiny_model_learns_its_texts_by_heart(method):
    model, steps = trained(method, 60)

    assert method.judge(model)["score"] == 1.0
    assert steps[-1].loss < 0.1


def test_equal_seeds_give_equal_weights_and_others_do_not(method):
    first, second = (trained(method, 5)[0].state_dict() for _ in range(2))
    other = trained(replace(method, seed=8), 5)[0].state_dict()

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_micro_batches_change_nothing_but_the_last_digits(method):
    whole, _ = trained(method, 5)
    pieces, _ = trained(method, 5, WorkerShard(rank=0, workers=1, micro_batch=3))

    assert torch.allclose(whole.head.weight, pieces.head.weight, atol=1e-5)


def test_the_mean_of_two_workers_gradients_is_the_gradient_of_one(method):
    def gradient(share):
        model = method.model()
        for part in share.parts(method.batch(0)):
            (method.loss(model, part) * share.workers).backward()
        return model.head.weight.grad

    two = [gradient(WorkerShard(rank=rank, workers=2, micro_batch=64)) for rank in (0, 1)]

    assert torch.allclose(sum(two) / 2, gradient(ALONE), atol=1e-6)


@pytest.mark.parametrize(
    ("texts", "workers", "micro_batch"), [(513, 2, 256), (1, 3, 64), (5, 4, 1), (64, 2, 7)]
)
def test_every_worker_meets_the_others_equally_often_and_no_text_is_lost(texts, workers, micro_batch):
    batch = Batch(torch.arange(texts)[:, None], torch.ones(texts, 1), torch.zeros(texts), weight=float(texts))
    parts = [list(WorkerShard(rank, workers, micro_batch).parts(batch)) for rank in range(workers)]
    weighing = [part for worker in parts for part in worker if math.isfinite(part.weight)]

    assert len({len(worker) for worker in parts}) == 1
    assert sorted(int(row) for part in weighing for row in part.tokens_BT[:, 0]) == list(range(texts))
    assert max(len(part) for part in weighing) <= micro_batch


def test_a_rarer_label_weighs_more_and_a_text_weighs_one_on_the_mean(method):
    targets = method.targets.copy()
    targets[:96] = 1
    targets[96:] = 0
    weighed = replace(method, targets=targets, class_weights=1.0)

    assert weighed.weights_L.tolist() == pytest.approx([2.0, 2 / 3])
    assert float(weighed.weights_L[torch.from_numpy(targets)].mean()) == pytest.approx(1.0)


def test_a_text_does_not_leak_into_its_neighbours_and_padding_does_not_count(method):
    model, _ = trained(method, 5)
    model.eval()
    short, long, other = method.train[0], method.train[40], method.train[41]

    def logits(texts):
        longest = max(map(len, texts))
        tokens = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in texts])
        mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in texts])
        with torch.inference_mode():
            return model(tokens, mask)

    assert torch.allclose(logits([short])[0], logits([short, long])[0], atol=1e-5)
    assert torch.allclose(logits([short, long])[0], logits([short, other])[0], atol=1e-5)


def test_guesses_come_back_in_the_order_of_the_texts(method):
    model, _ = trained(method, 60)

    assert predict_labels(model, method.train).tolist() == method.targets.tolist()
