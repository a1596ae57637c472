"""Slips of a hurried hand inside a word; its first and last letter stay, since people then still read it (Pruthi et al., 2019)."""

import random
import re
from collections.abc import Callable

Slip = Callable[[str, random.Random], str]

# A slip in a shorter word makes another word ("not", "now"), which people would not read as the first.
SHORTEST = 4
WORD = re.compile(rf"[^\W\d_]{{{SHORTEST},}}")
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def typo_spans(text: str) -> list[tuple[int, int]]:
    """Find where the words stand that are long enough for a slip."""
    return [found.span() for found in WORD.finditer(text)]


def swap(word: str, chance: random.Random) -> str:
    """Let two neighbouring inner letters change places; a word of equal ones stays as it is."""
    places = [place for place in range(1, len(word) - 2) if word[place] != word[place + 1]]
    if not places:
        return word
    place = chance.choice(places)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def drop(word: str, chance: random.Random) -> str:
    """Leave out an inner letter."""
    place = chance.randrange(1, len(word) - 1)
    return word[:place] + word[place + 1 :]


def double(word: str, chance: random.Random) -> str:
    """Type an inner letter twice."""
    place = chance.randrange(1, len(word) - 1)
    return word[:place] + word[place] + word[place:]


def miss(word: str, chance: random.Random) -> str:
    """Hit the key beside an inner letter; a word without a letter of the keyboard stays as it is."""
    places = [place for place in range(1, len(word) - 1) if _beside(word[place])]
    if not places:
        return word
    place = chance.choice(places)
    return word[:place] + chance.choice(_beside(word[place])) + word[place + 1 :]


SLIPS: tuple[Slip, ...] = (swap, drop, double, miss)


def _beside(letter: str) -> str:
    for row in ROWS:
        place = row.find(letter.lower())
        if place >= 0:
            near = row[max(0, place - 1) : place] + row[place + 1 : place + 2]
            return near.upper() if letter.isupper() else near
    return ""
