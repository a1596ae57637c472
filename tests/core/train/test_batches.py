import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.train.batches import LengthBucketSampler, pad


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=400),
    batch_size=st.integers(1, 32),
    epoch=st.integers(0, 3),
)
def test_every_text_is_dealt_once_an_epoch(lengths, batch_size, epoch):
    deal = LengthBucketSampler(lengths, batch_size=batch_size, seed=1)

    rows = [deal.rows(epoch * deal.steps_per_epoch + step) for step in range(deal.steps_per_epoch)]

    assert sorted(np.concatenate(rows).tolist()) == list(range(len(lengths)))
    assert max(map(len, rows)) <= batch_size


def test_a_step_is_the_same_whichever_steps_were_asked_for_before():
    lengths = list(range(1, 101))
    forward, backward = (LengthBucketSampler(lengths, batch_size=8, seed=3) for _ in range(2))

    first = [forward.rows(step).tolist() for step in range(30)]
    second = [backward.rows(step).tolist() for step in reversed(range(30))]

    assert first == second[::-1]


def test_texts_of_like_length_stand_together():
    lengths = [4] * 500 + [40] * 500
    deal = LengthBucketSampler(lengths, batch_size=50, seed=3)

    mixed = sum(len({lengths[row] for row in deal.rows(step)}) > 1 for step in range(deal.steps_per_epoch))

    assert mixed <= 1


def test_two_epochs_are_two_different_orders():
    deal = LengthBucketSampler(list(range(1, 65)), batch_size=8, seed=3)

    assert [deal.rows(step).tolist() for step in range(8)] != [
        deal.rows(8 + step).tolist() for step in range(8)
    ]


def test_padding_is_token_zero_under_mask_zero():
    tokens_BT, mask_BT = pad([[5, 6, 7], [8]])

    assert tokens_BT.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask_BT.tolist() == [[1, 1, 1], [1, 0, 0]]
