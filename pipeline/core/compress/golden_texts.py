"""Golden texts: what a copy of a model must answer as the original did, made of the tokenizer's own words.

Nobody's text travels with a model.
"""

import json

import numpy as np

from pipeline.base.seeds import seed_for

GOLDEN_TEXTS = 32
SHORTEST, LONGEST = 3, 24


def golden_texts(document: str, seed: int) -> list[str]:
    """Draw words of a tokenizer into texts of several lengths, the same for the same seed."""
    chance = np.random.default_rng(seed_for(seed, "golden"))
    # Plain lower-case letters: cleaning leaves them as they are, on every machine.
    words = sorted(
        piece
        for piece in json.loads(document)["model"]["vocab"]
        if piece.isascii() and piece.isalpha() and piece.islower()
    )
    lengths = np.linspace(SHORTEST, LONGEST, GOLDEN_TEXTS).round().astype(int)
    return [" ".join(chance.choice(words, length).tolist()) for length in lengths]
