"""The pieces of a text on the page /labels: words to move over by keyboard, and what is between them."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

# A word; where a script has no blanks between words, a letter; or any other sign by itself.
WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+|\S"
)
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


class Piece(NamedTuple):
    """Hold the characters from `start` up to `end`, in code points, and whether they are a word."""

    start: int
    end: int
    text: str
    is_word: bool


def text_pieces(text: str) -> Iterator[Piece]:
    """Yield a text in pieces that follow each other without a gap."""
    at = 0
    for start, end in _words(text):
        if at < start:
            yield Piece(at, start, text[at:start], False)
        yield Piece(start, end, text[start:end], True)
        at = end
    if at < len(text):
        yield Piece(at, len(text), text[at:], False)


def _words(text: str) -> Iterator[tuple[int, int]]:
    for match in WORD.finditer(text):
        places = [place for place in range(*match.span()) if UNSPACED.match(text[place])]
        # Letters of such a script within a run of others are pieces by themselves too.
        edges = sorted({match.start(), match.end(), *places, *(place + 1 for place in places)})
        yield from pairwise(edges)
