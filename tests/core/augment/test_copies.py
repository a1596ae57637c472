"""Copies of texts: changed, with the answer of their text, and none of no use."""

import numpy as np
import pytest

from pipeline.base.config import AugmentConfig
from pipeline.core.augment.copies import Copies, KnownBatch, SwappedWords, fit_label_check
from pipeline.core.model.tokenizer import encode

TEXTS = ["what a lovely evening", "a dreadful film", "so good"] * 20
ANSWERS = ["good", "bad", "good"] * 20


def copies(tokenizer, swapping=None, **shares):
    cfg = AugmentConfig(**{"typos": 0.0, "case": 0.0, "words": 0.0, **shares})
    return Copies(cfg, 5, lambda texts: encode(tokenizer, texts), swapping)


def columns(tokenizer):
    return {"tokens": encode(tokenizer, TEXTS), "label": np.array([1, 0, 1] * 20)}


def test_a_share_of_the_texts_is_learnt_twice_with_the_same_label(tokenizer):
    made = columns(tokenizer)

    more = copies(tokenizer, typos=0.5).of(0, KnownBatch(TEXTS, ANSWERS, made))

    assert 10 < len(more["tokens"]) < 40
    assert len(more["label"]) == len(more["tokens"])
    assert not any(ids in made["tokens"] for ids in more["tokens"])
    again = copies(tokenizer, typos=0.5).of(0, KnownBatch(TEXTS, ANSWERS, made))
    assert again["tokens"] == more["tokens"]
    other = copies(tokenizer, typos=0.5).of(1, KnownBatch(TEXTS, ANSWERS, made))
    assert other["tokens"] != more["tokens"]


def test_another_case_is_no_copy_for_a_model_that_reads_none(tokenizer):
    assert copies(tokenizer, case=1.0).of(0, KnownBatch(TEXTS, ANSWERS, columns(tokenizer))) is None


def test_swapped_words_count_where_the_label_is_still_found(tokenizer, swaps):
    made = columns(tokenizer)
    swapping = SwappedWords(swaps, lambda texts: [1] * len(texts), ["bad", "good"])

    more = copies(tokenizer, swapping, words=1.0).of(0, KnownBatch(TEXTS, ANSWERS, made))

    assert len(more["tokens"]) == ANSWERS.count("good")
    assert set(more["label"].tolist()) == {1}
    assert all(tokenizer.token_to_id("great") in ids for ids in more["tokens"])


def test_the_check_learns_the_labels_of_texts(start, sentences, tokenizer):
    tokens, labels = encode(tokenizer, [text for text, _ in sentences]), [label for _, label in sentences]

    check = fit_label_check(start, tokens, labels, 2)

    assert np.mean(np.array(check(tokens)) == labels) > 0.9


@pytest.mark.parametrize("shares", [{"typos": 1.5}, {"case": -0.1}, {"words": float("nan")}])
def test_shares_lie_between_none_and_all(shares):
    with pytest.raises(ValueError, match=r"Input should be"):
        AugmentConfig(**{"typos": 0.0, "case": 0.0, "words": 0.0, **shares})
