import numpy as np
import pytest
import torch

from pipeline.core.train.loop import Schedule, WorkerShard, fit
from pipeline.core.train.masking import WholeWordMasking
from pipeline.core.train.objectives import EncoderStart
from pipeline.core.train.objectives.sentence_pairs import SentenceIds, SentencePairObjective
from pipeline.core.train.optimizer import make_optimizer

# ids: 2 begin, 3 separator, 9 a full stop; 20 and 21 continue a word.
IDS = SentenceIds(begin=2, separator=3, ends=(9,), max_tokens=12)
CONTINUES = np.isin(np.arange(40), (20, 21))


@pytest.mark.parametrize(
    ("inner", "first"),
    [
        ([5, 9, 6, 7, 8, 9], [5, 9]),
        ([5, 6, 7, 9, 8], [5, 6, 7, 9]),
        ([5, 6, 7, 8], [5, 6]),
        ([5, 20, 21, 6], [5, 20, 21]),
    ],
)
def test_a_text_is_cut_after_a_sentence_else_between_words(inner, first):
    assert IDS.halves([2, *inner, 3], CONTINUES) == (first, inner[len(first) :])


def test_a_single_word_has_no_second_sentence():
    assert IDS.halves([2, 5, 20, 3], CONTINUES) == ([5, 20], [])


def test_a_pair_fits_the_model_and_says_which_sentence_a_token_is_of():
    tokens, types = IDS.pair([5] * 20, [6] * 4)

    assert tokens == [2, 5, 5, 5, 5, 5, 3, 6, 6, 6, 6, 3]
    assert types == [0] * 7 + [1] * 5


def test_half_of_the_pairs_belong_together(next_sentence):
    labels = torch.cat([next_sentence.batch(step).more["pairs_B"] for step in range(40)])

    assert labels.float().mean().item() == pytest.approx(0.5, abs=0.06)


def test_the_second_sentence_is_of_another_text_or_comes_first(next_sentence, sentence_order):
    row = int(sentence_order.sampler.rows(0)[0])
    first, second = sentence_order.sentences.halves(
        sentence_order.train[row], sentence_order.masking.continues
    )
    halves = [(first, second), ([30], [31])]

    assert (
        sentence_order._pair(halves, 0, together=False)[0] == sentence_order.sentences.pair(second, first)[0]
    )
    assert next_sentence._pair(halves, 0, together=False)[0] == next_sentence.sentences.pair(first, [31])[0]


def test_the_order_of_sentences_is_learnt():
    """Sentences of rising ids: a model that attends to order finds which came first."""
    from pipeline.core.model.encoder import scratch_config

    generator = np.random.default_rng(3)
    texts = [[2, *generator.integers(10, 20, 3), 9, *generator.integers(25, 35, 3), 9, 3] for _ in range(200)]
    config = scratch_config(vocabulary=40, width=32, layers=2, heads=2, feed_forward=64, max_tokens=16)
    objective = SentencePairObjective(
        start=EncoderStart(config, None, 0.0),
        masking=WholeWordMasking(0.15, 4, (0, 1, 2, 3, 4), CONTINUES),
        train=texts,
        valid=texts[:64],
        batch_size=32,
        seed=1,
        question="sentence_order",
        sentences=SentenceIds(2, 3, (9,), 16),
    )
    model = objective.build_model()
    optimizer = make_optimizer(model, weight_decay=0.0)

    for _ in fit(model, objective, optimizer, Schedule(160, 5e-3, 0.1, 1.0), WorkerShard(0, 1, 64)):
        pass

    assert objective.evaluate(model)["pair_accuracy"] > 0.95
