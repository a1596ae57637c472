"""Pieces of WordPiece, of BPE over bytes and of SentencePiece: which continue a word, which begin one."""

import json

from tiny_starts import byte_tokenizer, word_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers

from pipeline.core.model.pieces import (
    continuations,
    ids_of_signs,
    is_wordpiece,
    partial_letters,
    vocabulary_of,
    word_starts,
)
from pipeline.core.model.special_tokens import mask_id, padding_id, special_ids, unknown_id


def unigram() -> Tokenizer:
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("<unk>", 0.0), ("\u2581good", -1.0), ("ly", -2.0), (",", -3.0)]
    tokenizer = Tokenizer(models.Unigram([*pieces, ("好", -4.0), ("\u2581", -4.0)], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "<unk>", "<mask>"])
    return tokenizer


def continuing(tokenizer: Tokenizer, text: str) -> list[bool]:
    continues = continuations(tokenizer)
    return [continues[number] for number in tokenizer.encode(text, add_special_tokens=False).ids]


def test_bytes_continue_a_word_until_a_space_or_a_sign() -> None:
    tokenizer = Tokenizer.from_str(byte_tokenizer())

    pieces = tokenizer.encode(" xq, né", add_special_tokens=False).tokens
    assert [piece.startswith("Ġ") or piece == "," for piece in pieces] == [
        not one for one in continuing(tokenizer, " xq, né")
    ]
    # Chinese has no spaces: each letter of three bytes is a word.
    assert continuing(tokenizer, "好好") == [False, True, True] * 2


def test_pieces_of_sentencepiece_begin_a_word_with_a_space() -> None:
    assert continuing(unigram(), "goodly,好") == [False, True, False, False]


def test_special_tokens_are_found_by_any_name() -> None:
    names = [
        (tokenizer, mask_id(tokenizer), padding_id(tokenizer), unknown_id(tokenizer))
        for tokenizer in (
            Tokenizer.from_str(byte_tokenizer()),
            Tokenizer.from_str(word_tokenizer(0)),
            unigram(),
        )
    ]

    for tokenizer, mask, padding, unknown in names:
        assert {mask, padding, unknown} <= set(special_ids(tokenizer).values())
        assert len({mask, padding, unknown}) == 3


def test_plain_pieces_with_the_names_of_special_tokens_are_plain() -> None:
    # As the vocabulary of MPNet, which holds that of BERT.
    pieces = ["<s>", "<pad>", "</s>", "[PAD]", "[UNK]", "[MASK]", "<mask>"]
    tokenizer = Tokenizer(
        models.WordPiece({piece: row for row, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])

    assert (padding_id(tokenizer), mask_id(tokenizer), unknown_id(tokenizer)) == (1, 6, 4)


def test_words_are_those_that_begin_one_without_the_sign_of_a_space() -> None:
    assert {"good", ""} == set(word_starts(unigram().to_str()))
    assert {"good", "film"} <= set(word_starts(byte_tokenizer(["a good good good film"] * 9)))
    document = word_tokenizer(0)
    assert list(word_starts(document)) == list(json.loads(document)["model"]["vocab"])


def test_the_kind_of_a_vocabulary_is_read_from_its_document() -> None:
    assert [is_wordpiece(one) for one in (word_tokenizer(0), byte_tokenizer(), unigram().to_str())] == [
        True, False, False,
    ]  # fmt: skip
    assert vocabulary_of(unigram().to_str())["好"] == 6


def test_a_letter_spelled_by_its_bytes_is_partial() -> None:
    tokenizer = Tokenizer.from_str(byte_tokenizer())
    partial = partial_letters(tokenizer)

    assert not partial & set(tokenizer.encode("a good film").ids)
    assert set(tokenizer.encode("好", add_special_tokens=False).ids) <= partial
    assert partial_letters(Tokenizer.from_str(word_tokenizer(0))) == set()


def test_words_of_bytes_are_read_as_letters() -> None:
    words = set(word_starts(byte_tokenizer(["да да да нет нет 好好 好好 good good"] * 9)))

    assert {"да", "нет", "好好", "good"} <= words
    assert not any("Ð" in word for word in words)


def test_signs_are_found_in_any_spelling() -> None:
    tokenizer = Tokenizer.from_str(byte_tokenizer(["so 。 so。 so . so."] * 9))

    ids = ids_of_signs(tokenizer, (".", "。"))

    assert {tokenizer.decode([number]).strip() for number in ids} == {".", "。"}
    assert len(ids) == 4
    word_document = word_tokenizer(0, ["so . ."])
    (point,) = ids_of_signs(Tokenizer.from_str(word_document), (".", "。"))
    assert point == vocabulary_of(word_document)["."]
    assert ids_of_signs(unigram(), (",", "ly")) == (4, 5)
