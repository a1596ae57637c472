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
def test_every_text_is_sampled_once_an_epoch(lengths, batch_size, epoch):
    sampler = LengthBucketSampler(lengths, batch_size=batch_size, seed=1)

    rows = [sampler.rows(epoch * sampler.steps_per_epoch + step) for step in range(sampler.steps_per_epoch)]

    assert sorted(np.concatenate(rows).tolist()) == list(range(len(lengths)))
    assert max(map(len, rows)) <= batch_size


def test_a_step_does_not_depend_on_the_steps_read_before():
    lengths = list(range(1, 101))
    forward, backward = (LengthBucketSampler(lengths, batch_size=8, seed=3) for _ in range(2))

    first = [forward.rows(step).tolist() for step in range(30)]
    second = [backward.rows(step).tolist() for step in reversed(range(30))]

    assert first == second[::-1]


def test_texts_of_similar_length_share_a_batch():
    lengths = [4] * 500 + [40] * 500
    sampler = LengthBucketSampler(lengths, batch_size=50, seed=3)

    mixed = sum(
        len({lengths[row] for row in sampler.rows(step)}) > 1 for step in range(sampler.steps_per_epoch)
    )

    assert mixed <= 1


def test_epochs_differ_in_order():
    sampler = LengthBucketSampler(list(range(1, 65)), batch_size=8, seed=3)

    assert [sampler.rows(step).tolist() for step in range(8)] != [
        sampler.rows(8 + step).tolist() for step in range(8)
    ]


def test_padding_is_token_zero_under_mask_zero():
    tokens_BT, mask_BT = pad([[5, 6, 7], [8]])

    assert tokens_BT.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask_BT.tolist() == [[1, 1, 1], [1, 0, 0]]
