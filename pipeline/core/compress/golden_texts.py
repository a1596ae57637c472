"""Golden texts: a copy of a model must predict them as the original does.

They are made of the tokenizer's own words, so no text of a person travels with a model.
"""

import unicodedata

import numpy as np

from pipeline.base.seeds import seed_for
from pipeline.core.model.pieces import word_starts

GOLDEN_TEXTS = 32
SHORTEST, LONGEST = 3, 24


def golden_texts(document: str, seed: int) -> list[str]:
    """Draw texts of several lengths from the words of a `tokenizer.json`, whose content is `document`.

    The texts are the same for the same document and seed.
    """
    generator = np.random.default_rng(seed_for(seed, "golden"))
    pieces = sorted(piece for piece in word_starts(document) if piece.isalpha())
    # Lower-case ASCII letters, which cleaning does not change on any machine; a language that is written in
    # other letters has none.
    words = [piece for piece in pieces if piece.isascii() and piece.islower()]
    words = words or [piece for piece in pieces if unicodedata.normalize("NFKC", piece.lower()) == piece]
    # A vocabulary without a letter, as one of emoji or digits.
    words = words or ["a"]
    lengths = np.linspace(SHORTEST, LONGEST, GOLDEN_TEXTS).round().astype(int)
    return [" ".join(generator.choice(words, length).tolist()) for length in lengths]
