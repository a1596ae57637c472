"""Words of a text, counted by script: some scripts put no blank between words."""

import math
import re
from collections.abc import Iterator, Sequence

# A longer piece counts as several words: a megabyte without a blank is no word.
LONGEST_WORD = 40
# Our estimates of how many letters a word has on average: Chinese characters 1.6, Japanese syllables 2.5, and
# the letters, vowels and tone marks of Thai, Lao, Burmese and Khmer 4.5.
HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
THAI, LAO, BURMESE, KHMER = "\u0e01-\u0e5b", "\u0e81-\u0eff", "\u1000-\u109f", "\u1780-\u17ff"
LETTERS_A_WORD = ((HAN, 1.6), (KANA, 2.5), (THAI + LAO + BURMESE + KHMER, 4.5))
_SCRIPTS = tuple((re.compile(f"[{letters}]"), length) for letters, length in LETTERS_A_WORD)
_RUN = re.compile(f"[{''.join(letters for letters, _ in LETTERS_A_WORD)}]+")


def count_words(text: str) -> int:
    """Count the words of a text: those between blanks, and by their letters where no blank parts words.

    A piece longer than LONGEST_WORD counts as several words.
    """
    if text.isascii() or not has_unspaced_words(text):
        return _count_pieces(text.split())
    # Rounded up: a single letter is a word.
    words = sum(math.ceil(len(letters.findall(text)) / length) for letters, length in _SCRIPTS)
    return words + _count_pieces(_spelled(_RUN.sub(" ", text)))


def has_unspaced_words(text: str) -> bool:
    """Return whether a text has letters of a script that puts no blank between words."""
    return _RUN.search(text) is not None


def mostly_unspaced(texts: Sequence[str]) -> bool:
    """Return whether most of these texts have letters of a script that puts no blank between words."""
    return 2 * sum(map(has_unspaced_words, texts)) > len(texts)


def _spelled(text: str) -> Iterator[str]:
    # What is left between two runs is mostly punctuation, which is no word.
    return (piece for piece in text.split() if any(letter.isalnum() for letter in piece))


def _count_pieces(pieces: Iterator[str] | list[str]) -> int:
    return sum(1 + (len(piece) - 1) // LONGEST_WORD for piece in pieces)
