"""A WordPiece tokenizer trained on texts."""

import subprocess
import sys
import tracemalloc

import pytest

from pipeline.base.errors import DataRejected
from pipeline.core.model.tokenizer import load_tokenizer, vocabulary_size
from pipeline.core.vocabulary import train_wordpiece

PROGRAM = (
    "from pipeline.core.vocabulary import train_wordpiece;"
    "texts = [f'a {x}{y} film was {y}{x}ly {x}ing' for x in 'abcdefgh' for y in 'ijklmnop'];"
    "print(train_wordpiece(texts, vocabulary=120))"
)


def test_two_processes_train_equal_tokenizers():
    first, second = (
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )

    assert len(first) > 1000
    assert first == second


def test_unseen_letters_are_unknown_and_rare_ones_do_not_fill_the_vocabulary():
    document = train_wordpiece(
        ["".join(map(chr, range(0x4E00, 0x4E00 + 500))), "common words " * 50], vocabulary=100
    )
    tokenizer = load_tokenizer(document, 16)

    assert vocabulary_size(document) <= 100
    assert tokenizer.encode("words").tokens[1:-1] != ["[UNK]"]
    assert tokenizer.encode("\u0416").tokens[1:-1] == ["[UNK]"]


def test_texts_are_read_twice_and_not_held():
    class Texts:
        def __iter__(self):
            return (f"words of {number} " * 20 for number in range(1_000))

    tracemalloc.start()
    try:
        train_wordpiece(Texts(), vocabulary=100)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # The texts are 258 kB.
    assert peak < 150_000


@pytest.mark.parametrize("texts", [[], [""], ["\u0301\u0302", "\u200b \u200d"]])
def test_texts_without_a_letter_train_no_tokenizer(texts):
    with pytest.raises(DataRejected, match=r"No training text has a letter.*correct `columns\.text`"):
        train_wordpiece(texts, vocabulary=100)
