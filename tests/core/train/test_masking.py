import numpy as np
import pytest
import torch

from pipeline.core.train.masking import IGNORED, WholeWordMasking

# ids: 0 pad, 1 unk, 2 cls, 3 sep, 4 mask; 5..19 start a word, 20..29 continue one
CONTINUES = np.array([False] * 20 + [True] * 10)
MASKING = WholeWordMasking(share=0.15, mask_id=4, special=(0, 1, 2, 3, 4), continues=CONTINUES)


def texts(count, seed=0):
    """Give texts of 20 words, every second of two pieces, with two tokens of padding."""
    chance = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        pieces = [2]
        for word in range(20):
            pieces.append(int(chance.integers(5, 20)))
            if word % 2:
                pieces.append(int(chance.integers(20, 30)))
        rows.append([*pieces, 3, 0, 0])
    return torch.tensor(rows)


def test_a_word_is_hidden_whole_or_not_at_all():
    tokens = texts(200)
    _, targets = MASKING.hide(tokens, np.random.default_rng(1))
    chosen = (targets != IGNORED).numpy()

    for row, ids in enumerate(tokens.numpy()):
        for place in range(1, len(ids)):
            if CONTINUES[ids[place]]:
                assert chosen[row, place] == chosen[row, place - 1]


def test_three_of_twenty_words_are_chosen():
    _, targets = MASKING.hide(texts(50), np.random.default_rng(1))
    starts = (targets != IGNORED) & ~torch.from_numpy(CONTINUES)[targets.clamp(min=0)]

    assert starts.sum(1).tolist() == [3] * 50


def test_special_tokens_and_padding_are_never_chosen():
    tokens = texts(200)
    hidden, targets = MASKING.hide(tokens, np.random.default_rng(1))
    special = torch.isin(tokens, torch.tensor(MASKING.special))

    assert (targets[special] == IGNORED).all()
    assert (hidden[special] == tokens[special]).all()


def test_of_the_chosen_pieces_80_in_100_become_the_mask_10_another_and_10_stay():
    tokens = texts(4000)
    hidden, targets = MASKING.hide(tokens, np.random.default_rng(1))
    chosen = targets != IGNORED
    masked = (hidden[chosen] == 4).float().mean().item()
    # One random piece in 25 is the hidden piece itself, so 0.1 stay and 0.1 / 25 look as if.
    stayed = (hidden[chosen] == targets[chosen]).float().mean().item()

    assert masked == pytest.approx(0.8, abs=0.01)
    assert stayed == pytest.approx(0.104, abs=0.01)
    assert (tokens[chosen] == targets[chosen]).all()


def test_a_text_without_words_is_left_alone():
    tokens = torch.tensor([[2, 1, 3]])
    hidden, targets = MASKING.hide(tokens, np.random.default_rng(1))

    assert hidden.tolist() == tokens.tolist()
    assert targets.tolist() == [[IGNORED] * 3]
