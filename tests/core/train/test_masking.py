from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.core.train.masking import IGNORED, WholeWordMasking

# ids: 0 pad, 1 unk, 2 cls, 3 sep, 4 mask; 5..19 start a word, 20..29 continue one
CONTINUES = np.array([False] * 20 + [True] * 10)
MASKING = WholeWordMasking(probability=0.15, mask_id=4, special=(0, 1, 2, 3, 4), continues=CONTINUES)


def texts(count, seed=0):
    """Return texts of 20 words, every second of two pieces, with two tokens of padding."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        pieces = [2]
        for word in range(20):
            pieces.append(int(generator.integers(5, 20)))
            if word % 2:
                pieces.append(int(generator.integers(20, 30)))
        rows.append([*pieces, 3, 0, 0])
    return torch.tensor(rows)


def used(tokens):
    """Return the mask of texts, whose padding is 0."""
    return (tokens != 0).long()


def test_all_pieces_of_a_word_are_masked_or_none():
    tokens = texts(200)
    _, targets = MASKING.mask(tokens, used(tokens), np.random.default_rng(1))
    chosen = (targets != IGNORED).numpy()

    for row, ids in enumerate(tokens.numpy()):
        for place in range(1, len(ids)):
            if CONTINUES[ids[place]]:
                assert chosen[row, place] == chosen[row, place - 1]


def test_three_of_twenty_words_are_masked():
    _, targets = MASKING.mask(texts(50), used(texts(50)), np.random.default_rng(1))
    starts = (targets != IGNORED) & ~torch.from_numpy(CONTINUES)[targets.clamp(min=0)]

    assert starts.sum(1).tolist() == [3] * 50


def test_special_tokens_and_padding_are_never_masked():
    tokens = texts(200)
    masked_ids, targets = MASKING.mask(tokens, used(tokens), np.random.default_rng(1))
    special = torch.isin(tokens, torch.tensor(MASKING.special))

    assert (targets[special] == IGNORED).all()
    assert (masked_ids[special] == tokens[special]).all()


def test_padding_is_never_masked_where_its_id_is_that_of_a_word():
    masking = replace(MASKING, special=(1, 2, 3, 4), probability=1.0)
    tokens = torch.tensor([[2, 5, 3, 0, 0, 0, 0, 0], [2, 6, 20, 7, 8, 9, 10, 3]])

    masked_ids, targets = masking.mask(tokens, used(tokens), np.random.default_rng(1))

    assert (targets != IGNORED).sum(1).tolist() == [1, 6]
    assert masked_ids[0, 3:].tolist() == [0] * 5


def test_pieces_become_the_mask_a_random_piece_or_stay_80_10_10():
    tokens = texts(4000)
    masked_ids, targets = MASKING.mask(tokens, used(tokens), np.random.default_rng(1))
    chosen = targets != IGNORED
    masked = (masked_ids[chosen] == 4).float().mean().item()
    # One random piece in 25 is the masked_ids piece itself, so 0.1 stay and 0.1 / 25 look as if.
    stayed = (masked_ids[chosen] == targets[chosen]).float().mean().item()

    assert masked == pytest.approx(0.8, abs=0.01)
    assert stayed == pytest.approx(0.104, abs=0.01)
    assert (tokens[chosen] == targets[chosen]).all()


def test_a_text_without_words_is_unchanged():
    tokens = torch.tensor([[2, 1, 3]])
    masked_ids, targets = MASKING.mask(tokens, used(tokens), np.random.default_rng(1))

    assert masked_ids.tolist() == tokens.tolist()
    assert targets.tolist() == [[IGNORED] * 3]


def test_random_pieces_are_no_special_ones_where_the_mask_ends_the_vocabulary():
    # As that of RoBERTa: the ends of a text come first, the mask last.
    masking = WholeWordMasking(probability=0.9, mask_id=29, special=(0, 1, 2, 3, 29), continues=CONTINUES)
    masked, targets = masking.mask(texts(200).clamp(max=28), used(texts(200)), np.random.default_rng(1))

    changed = masked[(targets != IGNORED) & (masked != 29)]
    assert len(changed) > 100
    assert not set(changed.tolist()) & {0, 1, 2, 3}
    assert set(changed.tolist()) == set(range(4, 29))
