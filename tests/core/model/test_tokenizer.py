from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipeline.core.model.pieces import continuations
from pipeline.core.model.special_tokens import special_ids
from pipeline.core.model.tokenizer import (
    SPECIAL,
    encode,
    encode_and_mark_cut,
    encode_with_spans,
    load_tokenizer,
    vocabulary_size,
)
from pipeline.core.vocabulary import train_wordpiece


def test_only_the_five_special_tokens_are_special(tokenizer_json, tokenizer):
    assert special_ids(tokenizer) == {name: number for number, name in enumerate(SPECIAL)}
    # A letter that stood for itself would be cut out of every word it is in.
    assert "film" in [tokenizer.id_to_token(number) for number in encode(tokenizer, ["a film"])[0]]
    assert vocabulary_size(tokenizer_json) <= 200


def test_pieces_that_continue_a_word_are_marked(tokenizer):
    continues = continuations(tokenizer)

    assert {tokenizer.id_to_token(number)[:2] for number, within in enumerate(continues) if within} == {"##"}
    assert not any(continues[number] for number in special_ids(tokenizer).values())


def naive_encode(tokenizer: Tokenizer, texts: list[str]) -> list[tuple[list[int], bool]]:
    encodings = [tokenizer.encode(text) for text in texts]
    return [(encoding.ids, bool(encoding.overflowing)) for encoding in encodings]


WORDS = st.sampled_from(
    ["good", "bad", "unheard", "of", "\u0301", "\u0301\u0300", "x" * 150, "a-b.c", "日本", "😀"]
)


@given(st.lists(st.lists(WORDS, max_size=60), max_size=5))
def test_a_text_is_encoded_from_its_first_words_as_from_all(texts: list[list[str]]) -> None:
    tokenizer = load_tokenizer(train_wordpiece(["good bad of a b"], vocabulary=60), 12)
    joined = [" ".join(words) for words in texts]

    tokens, cut = encode_and_mark_cut(tokenizer, joined)

    assert list(zip(tokens, cut, strict=True)) == naive_encode(tokenizer, joined)


PAIR_TEXTS = ("the soup was cold but the waiter was kind",)


def tokens_of(text, max_tokens):
    document = train_wordpiece(PAIR_TEXTS * 5, vocabulary=200)
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
    document = train_wordpiece(PAIR_TEXTS * 5, vocabulary=200)
    text = "the soup was cold\nthe waiter"

    spans = encode_with_spans(load_tokenizer(document, 20), text)

    assert [text[one.start : one.end] for one in spans if one.end] == text.split()
    assert [one.token for one in spans] == encode(load_tokenizer(document, 20), [text])[0]
