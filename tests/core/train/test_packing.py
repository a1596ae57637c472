import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.model.language_models import CausalLanguageModel, encode_packed, sample_text
from pipeline.core.train.packing import PackedSampler, TokenBudget, pack


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(1, 32), min_size=1, max_size=300), epoch=st.integers(0, 2))
def test_every_text_is_sampled_once_an_epoch_within_the_budget(lengths, epoch):
    budget = TokenBudget(row_tokens=32, batch_tokens=100)
    sampler = PackedSampler(lengths, budget, seed=1)

    steps = range(epoch * sampler.steps_per_epoch, (epoch + 1) * sampler.steps_per_epoch)
    batches = [sampler.rows(step) for step in steps]

    assert sorted(np.concatenate([row for rows in batches for row in rows])) == list(range(len(lengths)))
    assert all(sum(lengths[text] for text in row) <= 32 for rows in batches for row in rows)
    assert max(map(len, batches)) <= 3


def test_short_texts_leave_two_percent_of_padding():
    lengths = np.random.default_rng(2).integers(5, 60, 4_000)
    sampler = PackedSampler(lengths, TokenBudget(128, 4096), seed=1)

    rows = sum(len(sampler.rows(step)) for step in range(sampler.steps_per_epoch))

    assert lengths.sum() / (rows * 128) > 0.98


@pytest.mark.parametrize("is_causal", [False, True])
def test_hidden_states_of_a_packed_text_are_those_of_the_text_alone(start, token_lists, is_causal):
    encoder = start.encoder(1).eval()
    texts = [token_lists[row] for row in (3, 40, 90)]
    tokens_BT, texts_BT = pack([texts, texts[:1]])

    with torch.inference_mode():
        packed = encode_packed(encoder, tokens_BT, texts_BT, causal=is_causal)[0]
        at = 0
        for ids in texts:
            one, mask = torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.long)
            alone = encode_packed(encoder, one, mask, causal=is_causal)[0]
            if not is_causal:
                assert torch.allclose(
                    alone, encoder(input_ids=one, attention_mask=mask).last_hidden_state[0], atol=1e-6
                )
            assert torch.allclose(packed[at : at + len(ids)], alone, atol=1e-6)
            at += len(ids)


def test_a_later_token_changes_no_earlier_hidden_state(start, token_lists):
    encoder = start.encoder(1).eval()
    tokens_BT = torch.tensor([token_lists[40]])
    changed_BT = tokens_BT.clone()
    changed_BT[0, 4] = 10
    mask_BT = torch.ones_like(tokens_BT)

    with torch.inference_mode():
        before, after = (
            encode_packed(encoder, one, mask_BT, causal=True)[0] for one in (tokens_BT, changed_BT)
        )

    assert torch.equal(before[:4], after[:4])
    assert not torch.allclose(before[4:], after[4:], atol=1e-4)


def test_a_sample_is_equal_for_equal_seeds_and_ends_with_the_model(start):
    model = CausalLanguageModel(start.encoder(1))

    def sampled(seed, temperature=1.0):
        return sample_text(model, [2, 9], tokens=99, end_id=3, temperature=temperature, seed=seed)

    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)
    assert sampled(1, temperature=0) == sampled(2, temperature=0)
    assert all(len(sampled(seed)) == 32 or sampled(seed)[-1] == 3 for seed in range(5))


def test_packed_masked_words_lose_what_the_same_texts_lose_alone(packed_words, masked_words):
    packed = packed_words.batch(2)
    texts = [text for row in packed_words.texts(2) for text in row]
    model = packed_words.build_model()
    alone = masked_words._masked(masked_words.train, texts, "mask", 2)

    with torch.inference_mode():
        assert float(packed_words.loss(model, packed)) == pytest.approx(
            float(masked_words.loss(model, alone)), abs=1e-5
        )
