"""Signatures of texts by MinHash (Broder, 1997), hashed by bands: near duplicates are equal in some of them.

Legend: N texts, P permutations, B bands, C characters.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5  # characters
PERMUTATIONS, SEED = 128, 1
# A pair at the limit is missed with at most this probability.
MISSED = 0.01
# So few texts are hashed at once that the numbers of their characters stay in the cache of a core.
TEXTS_HASHED = 512
LONGEST_BAND = 16
# To mix the hashes of a band into one number.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
# To mix characters into one number, and its bits with each other (the finalizer of SplitMix64).
FIRST_PAIR, SECOND_PAIR = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F)
MIXED = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))


def shingles(words: str) -> list[str]:
    """Return the runs of characters of a text, as often as they occur."""
    return [words[start : start + SHINGLE] for start in range(max(1, len(words) - SHINGLE + 1))]


def _rows_of_a_band(similarity: float) -> int:
    """Return the longest band with which a pair of this similarity is hardly ever missed."""
    return max(
        length
        for length in range(1, LONGEST_BAND + 1)
        if length == 1 or (1 - similarity**length) ** (PERMUTATIONS // length) <= MISSED
    )


def bands_of(similarity: float) -> int:
    """Return the number of bands with which pairs of this similarity are found."""
    return PERMUTATIONS // _rows_of_a_band(similarity)


def sign_bands(words: Sequence[str], similarity: float) -> NDArray[np.uint64]:
    """Return a hash of each band of each text: pairs of this similarity share at least one, but for a few."""
    bands_NB = np.zeros((len(words), bands_of(similarity)), dtype=np.uint64)
    length = _rows_of_a_band(similarity)
    for start in range(0, len(words), TEXTS_HASHED):
        some = words[start : start + TEXTS_HASHED]
        signatures_NP = _signatures(some)[:, : bands_NB.shape[1] * length]
        mixed_NB = bands_NB[start : start + TEXTS_HASHED]
        for place in range(length):
            mixed_NB[:] = (mixed_NB ^ signatures_NP[:, place::length]) * MULTIPLIER
    return bands_NB


def _signatures(words: Sequence[str]) -> NDArray[np.uint32]:
    from rensa import RMinHash

    hashes_C, ends_N = _shingle_hashes(words)
    # The smallest hash is the same, however often a run of characters occurs.
    digests = RMinHash.digest_matrix_from_flat_token_hashes(
        hashes_C, np.append(0, ends_N).astype(np.uint64), PERMUTATIONS, SEED
    )
    numbers = itertools.chain.from_iterable(digests.to_rows())
    return np.fromiter(numbers, np.uint32, len(words) * PERMUTATIONS).reshape(-1, PERMUTATIONS)


def _shingle_hashes(words: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return a hash of each run of characters, text by text, and where the hashes of each text end.

    A text that is shorter than a run is filled with zeros.
    """
    filled = [one.ljust(SHINGLE, "\0") for one in words]
    lengths_N = np.fromiter(map(len, filled), np.int64, len(filled))
    content = "".join(filled).encode("utf-32-le", "surrogatepass")
    count = int(lengths_N.sum()) - SHINGLE + 1
    first_C, second_C = (np.ndarray(count, "<u8", content, offset=at, strides=(4,)) for at in (0, 8))
    fifth_C = np.ndarray(count, "<u4", content, offset=16, strides=(4,))
    hashes_C = first_C * FIRST_PAIR
    hashes_C += second_C * SECOND_PAIR
    hashes_C += fifth_C * MULTIPLIER
    for bits, factor in MIXED:
        hashes_C ^= hashes_C >> np.uint64(bits)
        hashes_C *= factor
    hashes_C ^= hashes_C >> np.uint64(31)
    # A run that begins in the last characters of a text reads into the next one.
    whole = np.ones(count, dtype=bool)
    starts_N = np.cumsum(lengths_N)[:-1]
    whole[(starts_N[:, None] - np.arange(1, SHINGLE)).ravel()] = False
    return hashes_C[whole], np.cumsum(lengths_N - (SHINGLE - 1))
