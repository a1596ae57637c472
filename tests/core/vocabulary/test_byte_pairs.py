"""A tokenizer of BPE over bytes, trained on texts of any script."""

import hashlib
import json
import os
import subprocess
import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipeline.base.config import LEAST_BPE_VOCABULARY
from pipeline.base.errors import DataRejected
from pipeline.core.model.pieces import continuations, is_wordpiece, partial_letters
from pipeline.core.model.special_tokens import end_ids, mask_id, padding_id, special_ids, unknown_id
from pipeline.core.model.tokenizer import (
    SPECIAL,
    encode,
    encode_and_mark_cut,
    encode_with_places,
    encode_with_spans,
    load_tokenizer,
    vocabulary_size,
)
from pipeline.core.vocabulary import train_byte_pairs, train_tokenizer, train_wordpiece

SCRIPTS = [
    "a good film 😀😀 with 👩‍👩‍👧 and ❤️",
    "прекрасный фильм, ужасная еда",
    "很好的电影 很好的书 不好",
    "日本の映画はとても良い",
    "좋은 영화였다 나쁜 영화",
    "فيلم جميل جدا",
    "फ़िल्म बहुत अच्छी थी",
    "หนังเรื่องนี้ดีมาก",
    "Η ταινία ήταν υπέροχη",
]
# Many pairs of letters are equally frequent, so ties decide most merges.
TIES = [f"a {x}{y} film was {y}{x}ly {x}ing" for x, y in product("abcdefgh", "ijklmnop")]
PROGRAM = (
    "import json, sys; from pipeline.core.vocabulary import train_byte_pairs;"
    "print(train_byte_pairs(json.load(sys.stdin), vocabulary=600))"
)


def trained(texts: list[str], vocabulary: int = 600, max_tokens: int = 64) -> Tokenizer:
    return load_tokenizer(train_byte_pairs(texts, vocabulary=vocabulary), max_tokens)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return trained([*SCRIPTS * 3, *TIES])


def test_processes_with_other_hashes_train_equal_tokenizers() -> None:
    texts = json.dumps([*SCRIPTS, *TIES])
    documents = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=texts,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads},
        ).stdout
        for seed, threads in (("1", "1"), ("2", "3"))
    ]

    assert len(json.loads(documents[0])["model"]["merges"]) == 600 - LEAST_BPE_VOCABULARY
    assert len({hashlib.sha256(one.encode()).hexdigest() for one in documents}) == 1


def test_the_order_of_texts_changes_nothing() -> None:
    texts = [*SCRIPTS, *TIES]

    assert train_byte_pairs(texts, vocabulary=600) == train_byte_pairs(iter(texts[::-1]), vocabulary=600)


def test_special_tokens_are_where_a_wordpiece_has_them(tokenizer: Tokenizer) -> None:
    assert special_ids(tokenizer) == {name: number for number, name in enumerate(SPECIAL)}
    assert (padding_id(tokenizer), unknown_id(tokenizer), end_ids(tokenizer), mask_id(tokenizer)) == (
        0, 1, (2, 3), 4,
    )  # fmt: skip
    assert not is_wordpiece(tokenizer.to_str())


# A line break divides a text from its target, and a bracket begins the name of a special token.
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n["), max_size=30))
def test_no_text_is_unknown_and_each_is_spelled(text: str) -> None:
    smallest = trained(["good"], LEAST_BPE_VOCABULARY, 512)

    (ids,) = encode(smallest, [text])

    assert vocabulary_size(smallest.to_str()) == LEAST_BPE_VOCABULARY
    assert unknown_id(smallest) not in ids
    assert smallest.decode(ids).removeprefix(" ") == text.removeprefix(" ")


def test_the_first_word_of_a_text_is_the_piece_that_it_is_elsewhere() -> None:
    tokenizer = trained(["good film", "film good"] * 9, 300)

    first, second = encode(tokenizer, ["good film", "film good"])

    assert first[1:-1] == second[1:-1][::-1]
    assert len(first) == 4


def test_bytes_of_a_letter_share_its_place(tokenizer: Tokenizer) -> None:
    text = "film 🦄 x 鑫"
    (ids,), (places,) = encode_with_places(tokenizer, [text])
    partial = partial_letters(tokenizer)
    spelled = [text[slice(*place)] for number, place in zip(ids, places, strict=True) if number in partial]

    assert set(spelled) == {"🦄", "鑫"}
    assert len(spelled) > 4
    assert [one.token for one in encode_with_spans(tokenizer, text)] == ids
    assert max(end for _, end in places) == len(text)


def test_a_word_is_masked_from_its_space_to_its_last_byte(tokenizer: Tokenizer) -> None:
    continues = continuations(tokenizer)
    (ids,) = encode(tokenizer, ["filmy ужаснейшая, зебра"])
    words: list[list[int]] = []
    for number in ids[1:-1]:
        if continues[number]:
            words[-1].append(number)
        else:
            words.append([number])

    assert [tokenizer.decode(word).strip() for word in words] == ["filmy", "ужаснейшая", ",", "зебра"]
    assert not any(continues[number] for number in special_ids(tokenizer).values())


def test_a_text_and_its_target_are_a_pair(tokenizer: Tokenizer) -> None:
    (ids,) = encode(tokenizer, ["a good film\nfilm"])
    text = "a good film\n電 film"

    assert [ids[0], ids[-1]] == [2, 3]
    assert ids.count(3) == 2
    assert tokenizer.decode(ids[ids.index(3) :]).strip() == "film"
    places = [(one.start, one.end) for one in encode_with_spans(tokenizer, text) if one.end]
    assert {text[start:end].strip() for start, end in places} >= {"電", "film"}
    assert max(end for _, end in places) == len(text)


WORDS = st.sampled_from(["good", "bad", "unheard", "x" * 90, "a-b.c", "日本", "😀", "don't", "\u0301", "é"])


@given(st.lists(st.lists(WORDS, max_size=40), max_size=4))
def test_a_text_is_encoded_from_its_first_words_as_from_all(texts: list[list[str]]) -> None:
    tokenizer = trained(["good bad of a b"], 280, 12)
    joined = [" ".join(words) for words in texts]

    tokens, cut = encode_and_mark_cut(tokenizer, joined)

    encodings = [tokenizer.encode(text) for text in joined]
    assert tokens == [one.ids for one in encodings]
    assert cut == [bool(one.overflowing) for one in encodings]


@pytest.mark.parametrize("texts", [[], [""], [" ", "\n \t"]])
def test_texts_without_a_letter_train_no_tokenizer(texts: list[str]) -> None:
    with pytest.raises(DataRejected, match=r"No training text has a letter.*correct `columns\.text`"):
        train_byte_pairs(texts, vocabulary=300)


def test_each_kind_has_its_trainer() -> None:
    assert train_tokenizer(SCRIPTS, kind="bpe", vocabulary=300) == train_byte_pairs(SCRIPTS, vocabulary=300)
    assert train_tokenizer(SCRIPTS, kind="wordpiece", vocabulary=300) == train_wordpiece(
        SCRIPTS, vocabulary=300
    )
