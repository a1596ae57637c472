import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipeline.base.errors import DataRejected
from pipeline.core.model.pieces import continuations
from pipeline.core.model.special_tokens import special_ids
from pipeline.core.model.tokenizer import (
    SPECIAL,
    encode,
    encode_and_mark_cut,
    encode_with_spans,
    load_tokenizer,
    train_tokenizer,
    vocabulary_size,
)

PROGRAM = (
    "from pipeline.core.model.tokenizer import train_tokenizer;"
    "texts = [f'a {x}{y} film was {y}{x}ly {x}ing' for x in 'abcdefgh' for y in 'ijklmnop'];"
    "print(train_tokenizer(texts, vocabulary=120))"
)


def test_two_processes_train_equal_tokenizers():
    first, second = (
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )

    assert len(first) > 1000
    assert first == second


def test_only_the_five_special_tokens_are_special(tokenizer_json, tokenizer):
    assert special_ids(tokenizer) == {name: number for number, name in enumerate(SPECIAL)}
    # A letter that stood for itself would be cut out of every word it is in.
    assert "film" in [tokenizer.id_to_token(number) for number in encode(tokenizer, ["a film"])[0]]
    assert vocabulary_size(tokenizer_json) <= 200


def test_pieces_that_continue_a_word_are_marked(tokenizer):
    continues = continuations(tokenizer)

    assert {tokenizer.id_to_token(number)[:2] for number, within in enumerate(continues) if within} == {"##"}
    assert not any(continues[number] for number in special_ids(tokenizer).values())


def test_unseen_letters_are_unknown_and_rare_ones_do_not_fill_the_vocabulary():
    document = train_tokenizer(
        ["".join(map(chr, range(0x4E00, 0x4E00 + 500))), "common words " * 50], vocabulary=100
    )
    tokenizer = load_tokenizer(document, 16)

    assert vocabulary_size(document) <= 100
    assert tokenizer.encode("words").tokens[1:-1] != ["[UNK]"]
    assert tokenizer.encode("\u0416").tokens[1:-1] == ["[UNK]"]


def naive_encode(tokenizer: Tokenizer, texts: list[str]) -> list[tuple[list[int], bool]]:
    encodings = [tokenizer.encode(text) for text in texts]
    return [(encoding.ids, bool(encoding.overflowing)) for encoding in encodings]


WORDS = st.sampled_from(
    ["good", "bad", "unheard", "of", "\u0301", "\u0301\u0300", "x" * 150, "a-b.c", "日本", "😀"]
)


@given(st.lists(st.lists(WORDS, max_size=60), max_size=5))
def test_a_text_is_encoded_from_its_first_words_as_from_all(texts: list[list[str]]) -> None:
    tokenizer = load_tokenizer(train_tokenizer(["good bad of a b"], vocabulary=60), 12)
    joined = [" ".join(words) for words in texts]

    tokens, cut = encode_and_mark_cut(tokenizer, joined)

    assert list(zip(tokens, cut, strict=True)) == naive_encode(tokenizer, joined)


PAIR_TEXTS = ("the soup was cold but the waiter was kind",)


def tokens_of(text, max_tokens):
    document = train_tokenizer(PAIR_TEXTS * 5, vocabulary=200)
    tokenizer = load_tokenizer(document, max_tokens)
    (ids,), (cut,) = encode_and_mark_cut(tokenizer, [text])
    return [tokenizer.id_to_token(number) for number in ids], cut


def test_a_text_and_its_target_are_a_pair():
    tokens, cut = tokens_of("the soup was cold\nsoup", 10)

    assert tokens == ["[CLS]", "the", "soup", "was", "cold", "[SEP]", "soup", "[SEP]"]
    assert not cut


def test_a_long_text_is_cut_before_its_target():
    tokens, cut = tokens_of(f"{'the soup was cold ' * 9}\nthe waiter", 9)

    assert tokens == ["[CLS]", "the", "soup", "was", "cold", "[SEP]", "the", "waiter", "[SEP]"]
    assert cut


def test_the_pieces_of_a_target_lie_behind_the_text():
    document = train_tokenizer(PAIR_TEXTS * 5, vocabulary=200)
    text = "the soup was cold\nthe waiter"

    spans = encode_with_spans(load_tokenizer(document, 20), text)

    assert [text[one.start : one.end] for one in spans if one.end] == text.split()
    assert [one.token for one in spans] == encode(load_tokenizer(document, 20), [text])[0]


@pytest.mark.parametrize("texts", [[], [""], ["\u0301\u0302", "\u200b \u200d"]])
def test_texts_without_a_letter_train_no_tokenizer(texts):
    with pytest.raises(DataRejected, match=r"No training text has a letter.*correct `columns\.text`"):
        train_tokenizer(texts, vocabulary=100)
