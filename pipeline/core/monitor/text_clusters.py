"""Copies of one text: sent again, retweeted, or syndicated with small changes.

A copy brings no new opinion, so an interval counts a cluster of copies once. Exact copies, after what people
and platforms add is left out, share the value of `text_cluster`. Near copies share a band of their MinHash
signature (Broder, 1997; banding as in Leskovec, Rajaraman and Ullman, 2014, chapter 3).
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CLUSTER_DIGITS = 16
# What a platform adds to a text that is passed on, at its beginning or its end.
PASSED_ON = re.compile(
    r"^\s*(?:rt|fwd?|wg|mt)\b\s*:?\s*(?:@\w+\s*:?\s*)*|\s*\(?\bvia\s+@\w+\)?\s*$", re.IGNORECASE
)
LINKS_AND_NAMES = re.compile(r"(?:https?://|www\.)\S*|@\w+|\[[A-Z]+\]", re.IGNORECASE)
NO_WORD = re.compile(r"[^\w]+|_+")
GRAM = 5  # characters of a shingle: one changed word of a short text leaves most of them
BANDS, ROWS = 16, 6
# Two texts whose shingles overlap by 0.8 share a band with probability 0.99, by 0.5 with 0.22; the whole
# signature then leaves out what overlaps less. A copy that is missed costs a label, two opinions that are
# taken for copies cost the truth of one.
MIN_OVERLAP = 0.75
# Each is compared with each, and so many are enough to see copies that make up a fiftieth of the texts.
MOST_COMPARED = 400
PRIME = np.uint64((1 << 31) - 1)
_RANDOM = np.random.default_rng(20)
FACTORS = _RANDOM.integers(1, int(PRIME), BANDS * ROWS, dtype=np.uint64)
OFFSETS = _RANDOM.integers(0, int(PRIME), BANDS * ROWS, dtype=np.uint64)
POWERS = np.array([257**power for power in range(GRAM)], dtype=np.uint64)


def comparable_text(text: str) -> str:
    """Return the words of a text without what differs between its copies: case, links, names, punctuation."""
    # Runs of blanks would cost the patterns the square of their length.
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    bare = LINKS_AND_NAMES.sub(" ", PASSED_ON.sub("", folded))
    # A text of signs alone, such as an emoji, is compared as it is.
    return NO_WORD.sub(" ", bare).strip() or folded


def text_cluster(text: str, *, key: bytes = b"") -> str:
    """Return the name of a text's cluster: 16 hex digits, equal for its exact copies.

    With a key nobody finds the text by trying.
    """
    comparable = comparable_text(text).encode("utf-8", "replace")
    return hmac.new(key or b"cluster", comparable, hashlib.sha256).hexdigest()[:CLUSTER_DIGITS]


def signature(text: str) -> NDArray[np.uint32]:
    """Compute the MinHash signature of a text: BANDS x ROWS minima over its shingles of GRAM characters."""
    codes = np.frombuffer(comparable_text(text).encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    if len(codes) < GRAM:
        codes = np.pad(codes, (0, GRAM - len(codes)))
    grams = np.unique(np.lib.stride_tricks.sliding_window_view(codes, GRAM) @ POWERS % PRIME)
    hashes_HG = (FACTORS[:, None] * grams[None, :] + OFFSETS[:, None]) % PRIME
    minima: NDArray[np.uint32] = hashes_HG.min(axis=1).astype(np.uint32)
    return minima


def bands(signature_H: NDArray[np.uint32]) -> tuple[str, ...]:
    """Return the names of a signature's bands: near copies share one of them, by all probability."""
    return tuple(
        hashlib.sha256(number.to_bytes(1, "big") + band.tobytes()).hexdigest()[:CLUSTER_DIGITS]
        for number, band in enumerate(signature_H.reshape(BANDS, ROWS))
    )


def are_near_copies(one_H: NDArray[np.uint32], other_H: NDArray[np.uint32]) -> bool:
    """Return whether two signatures estimate an overlap (Jaccard) of shingles of at least MIN_OVERLAP."""
    return bool(np.mean(one_H == other_H) >= MIN_OVERLAP)


def share_of_near_copies(texts: Sequence[str]) -> float:
    """Return the share of the pairs of texts that are near copies; 0 where there is no pair.

    Of many texts only MOST_COMPARED are compared, evenly chosen.
    """
    chosen = texts[:: -(-len(texts) // MOST_COMPARED)] if texts else ()
    if len(chosen) < 2:
        return 0.0
    minima_TH = np.stack([signature(text) for text in chosen])
    overlap_TT = np.stack([np.mean(minima_TH == one_H, axis=1) for one_H in minima_TH])
    near = np.count_nonzero(overlap_TT >= MIN_OVERLAP) - len(chosen)
    return float(near / (len(chosen) * (len(chosen) - 1)))
