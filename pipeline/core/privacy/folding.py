"""A folded view of a text: one spelling for the characters that look alike, with the way back.

Recognizers match the view, so they need to know one dash, one blank and ten digits; the text itself keeps
every character that no recognizer claims.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# What NFKC leaves apart (Unicode Standard Annex 15), although people read it as the ASCII character.
ALIKE = {
    **dict.fromkeys("\u00ad\u2212\u2043\u2796\u2500\u30fc", "-"),
    **dict.fromkeys("\u3002\uff61\u06d4\u0701\u0702\u00b7\u2022\u2219\u22c5\u30fb", "."),
    **dict.fromkeys("\u2044\u2215\u29f8", "/"),
    **dict.fromkeys("\u2800\u3164\uffa0\u115f\u1160\t\n\v\f\r\x85\u2028\u2029", " "),
    **dict.fromkeys("\u2236\ua789", ":"),
    **dict.fromkeys("\u3010\u3014\u300c", "["),
    **dict.fromkeys("\u3011\u3015\u300d", "]"),
    "\u2795": "+",
}
DASH, BLANK, DIGIT, INVISIBLE = "Pd", "Zs", "Nd", "Cf"
# Marks that cross out, underline or frame the character before them, and joiners of emoji.
OVERLAYS = (range(0x0300, 0x0370), range(0x20D0, 0x20F1), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
CACHED = 4_096  # characters

# A character of a word that a number or a name cannot touch; scripts without blanks between words may.
WORD = r"[\w--[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]]"


@dataclass(frozen=True)
class Folded:
    """Hold the view, and the place in the source of each of its characters and of its end."""

    text: str
    places: Sequence[int]

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the source that the non-empty span `start:end` of the view stands for.

        What is invisible behind a character belongs to it, such as the frame of a keycap.
        """
        return self.places[start], self.places[end]


def fold(text: str) -> Folded:
    """Return the folded view: NFKC by character, ASCII dashes, blanks, stops and digits, nothing invisible.

    Case and letters stay. The view is never longer than the text.
    """
    if text.isascii() and text.isprintable():
        return Folded(text, range(len(text) + 1))
    pieces = [fold_character(character) for character in text]
    folded = "".join(pieces)
    if len(folded) == len(text):
        return Folded(folded, range(len(text) + 1))
    places = [place for place, piece in enumerate(pieces) if piece]
    return Folded(folded, [*places, len(text)])


@lru_cache(maxsize=CACHED)
def fold_character(character: str) -> str:
    """Return the character that stands for this one in the view, or nothing."""
    if character in ALIKE:
        return ALIKE[character]
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == INVISIBLE or any(ord(character) in marks for marks in OVERLAYS):
        return ""
    if category == DASH:
        return "-"
    if category == BLANK:
        return " "
    if category == DIGIT:
        return str(unicodedata.decimal(character))
    return _normalized(character)


def _normalized(character: str) -> str:
    normalized = unicodedata.normalize("NFKC", character)
    # Longer ones, such as "TEL" for U+2121, would let a text grow.
    return ALIKE.get(normalized, normalized) if len(normalized) == 1 else character
