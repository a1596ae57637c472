import subprocess
import sys

from pipeline.core.model.tokenizer import (
    SPECIAL,
    continuations,
    encode,
    load_tokenizer,
    special_ids,
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
