"""Typos inside a word; its first and last letter stay, so that people still read it (Pruthi et al., 2019)."""

import random
import re
from collections.abc import Callable

Typo = Callable[[str, random.Random], str]

# A typo in a shorter word makes another word ("not", "now").
MIN_LETTERS = 4
WORD = re.compile(rf"[^\W\d_]{{{MIN_LETTERS},}}")
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def typo_spans(text: str) -> list[tuple[int, int]]:
    """Return the spans of words that are long enough for a typo."""
    return [match.span() for match in WORD.finditer(text)]


def swap(word: str, generator: random.Random) -> str:
    """Swap two neighbouring inner letters; a word whose inner letters are equal stays as it is."""
    places = [place for place in range(1, len(word) - 2) if word[place] != word[place + 1]]
    if not places:
        return word
    place = generator.choice(places)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def drop(word: str, generator: random.Random) -> str:
    """Leave out an inner letter."""
    place = generator.randrange(1, len(word) - 1)
    return word[:place] + word[place + 1 :]


def double(word: str, generator: random.Random) -> str:
    """Type an inner letter twice."""
    place = generator.randrange(1, len(word) - 1)
    return word[:place] + word[place] + word[place:]


def miss(word: str, generator: random.Random) -> str:
    """Replace an inner letter by a neighbour on the keyboard; a word without one stays as it is."""
    places = [place for place in range(1, len(word) - 1) if _neighbours(word[place])]
    if not places:
        return word
    place = generator.choice(places)
    return word[:place] + generator.choice(_neighbours(word[place])) + word[place + 1 :]


TYPOS: tuple[Typo, ...] = (swap, drop, double, miss)


def _neighbours(letter: str) -> str:
    for row in ROWS:
        place = row.find(letter.lower())
        if place >= 0:
            neighbours = row[max(0, place - 1) : place] + row[place + 1 : place + 2]
            return neighbours.upper() if letter.isupper() else neighbours
    return ""
