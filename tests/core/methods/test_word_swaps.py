"""Words swapped for others that a language model expects."""

import numpy as np
import pytest

from pipeline.base.errors import ConfigError
from pipeline.core.methods.word_swaps import require_words
from pipeline.core.model.special_tokens import special_ids


def read(tokenizer, ids):
    return tokenizer.decode(ids).split()


def test_a_word_becomes_what_the_model_expects(swaps, tokenizer):
    text = tokenizer.encode("what a poor film that was").ids

    (found,) = swaps.swapped([text], np.random.default_rng(1))

    words, before = read(tokenizer, found), read(tokenizer, text)
    assert [one for one, other in zip(words, before, strict=True) if one != other] == ["great"]
    assert swaps.swapped([text], np.random.default_rng(1)) == [found]


def test_a_word_is_never_swapped_for_itself(swaps, tokenizer):
    text = tokenizer.encode("great").ids

    (found,) = swaps.swapped([text], np.random.default_rng(1))

    assert read(tokenizer, found) == ["bad"]


def test_texts_of_several_lengths_keep_their_length_and_their_special_tokens(swaps, tokenizer):
    texts = [tokenizer.encode(one).ids for one in ("a bad film", "what a lovely garden that was", "")] * 40
    special = set(special_ids(tokenizer).values())

    found = swaps.swapped(texts, np.random.default_rng(2))

    assert [len(one) for one in found] == [len(one) for one in texts]
    for ids, before in zip(found, texts, strict=True):
        assert [one for one in ids if one in special] == [one for one in before if one in special]
    assert found[2] == texts[2]


def test_a_word_of_several_pieces_stays_whole(swaps, tokenizer):
    text = tokenizer.encode("filmer").ids
    assert len(text) > 3

    assert swaps.swapped([text], np.random.default_rng(2)) == [text]


def test_the_words_of_a_target_stay(swaps, tokenizer):
    text, target = tokenizer.encode("a poor film").ids, tokenizer.encode("poor film garden").ids[1:]

    for seed in range(20):
        (found,) = swaps.swapped([[*text, *target]], np.random.default_rng(seed))
        assert found[len(text) :] == target
        assert found[: len(text)] != text


def test_an_encoder_without_a_word_head_is_refused(tokenizer):
    require_words(tokenizer, has_word_head=True)

    with pytest.raises(ConfigError, match=r"needs an encoder with a word head.*`words: 0.0`"):
        require_words(tokenizer, has_word_head=False)
