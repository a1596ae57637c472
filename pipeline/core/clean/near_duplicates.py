"""Near duplicates: texts that share most of their words, such as retweets and syndicated articles.

MinHash (Broder, 1997) with banding finds the pairs that may be near duplicates, and their Jaccard similarity
decides. Legend: N distinct texts, P permutations, B bands.
"""

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import regex
from numpy.typing import NDArray

SHINGLE = 5  # characters
PERMUTATIONS, SEED = 128, 1
# A pair at the limit is missed with at most this probability.
MISSED = 0.01
TEXTS_AT_ONCE = 10_000
# Of the texts in one bucket so many are compared with each further one: a bucket of templates stays linear.
REPRESENTATIVES = 20
CACHED_TEXTS = 50_000
# What a copy adds: a mark of forwarding, a mention, an address.
WORD = regex.compile(r"(?:https?://|www\.)\S+|@\w+|\brt\b|(?P<word>\w+)")
# To mix the hashes of a band into one number.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def plain_words(text: str) -> str:
    """Return the words of a text in lower case, without punctuation, mentions, addresses and "RT".

    A text without words, such as one of emoji alone, is returned as it is.
    """
    words = (match["word"] for match in WORD.finditer(text.casefold()))
    return " ".join(word for word in words if word) or text.casefold()


def near_duplicate_clusters(texts: Sequence[str], *, similarity: float) -> list[int]:
    """Return for each text the first row of its cluster: texts joined by pairs of at least this similarity.

    The similarity of two texts is the Jaccard index of their runs of `SHINGLE` characters, after
    `plain_words`.
    """
    first_rows: dict[str, int] = {}
    roots = [first_rows.setdefault(plain_words(text), row) for row, text in enumerate(texts)]
    words = list(first_rows)
    if similarity < 1:
        clusters = Clusters(len(words))
        shingles = functools.lru_cache(CACHED_TEXTS)(_shingles)
        for one, other in _candidates(words, similarity):
            if not clusters.joined(one, other):
                mine, theirs = shingles(words[one]), shingles(words[other])
                if len(mine & theirs) >= similarity * len(mine | theirs):
                    clusters.join(one, other)
        rows = list(first_rows.values())
        number = {row: index for index, row in enumerate(rows)}
        roots = [rows[clusters.root(number[row])] for row in roots]
    return roots


class Clusters:
    """Join numbers into clusters; the smallest number of a cluster names it (union-find, Tarjan, 1975)."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def root(self, number: int) -> int:
        """Return the smallest number of the cluster."""
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def joined(self, one: int, other: int) -> bool:
        """Return whether two numbers are in one cluster."""
        return self.root(one) == self.root(other)

    def join(self, one: int, other: int) -> None:
        """Make one cluster of two."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parents[high] = low


def _shingles(words: str) -> frozenset[str]:
    return frozenset(words[start : start + SHINGLE] for start in range(max(1, len(words) - SHINGLE + 1)))


def _candidates(words: Sequence[str], similarity: float) -> Iterator[tuple[int, int]]:
    """Yield pairs that are equal in a band of their signatures."""
    bands_NB = _bands(words, _rows_of_a_band(similarity))
    for hashes_N in bands_NB.T:
        order_N = np.argsort(hashes_N, kind="stable")
        sorted_N = hashes_N[order_N]
        ends = np.append(np.flatnonzero(sorted_N[1:] != sorted_N[:-1]) + 1, len(sorted_N))
        sizes = np.diff(ends, prepend=0)
        for end, size in zip(ends[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
            rows = order_N[end - size : end].tolist()
            yield from (
                (earlier, row)
                for place, row in enumerate(rows)
                for earlier in rows[: min(place, REPRESENTATIVES)]
            )


def _rows_of_a_band(similarity: float) -> int:
    """Return the longest band with which a pair of this similarity is hardly ever missed."""
    lengths = (16, 8, 4, 2)
    missed = ((1 - similarity**length) ** (PERMUTATIONS // length) for length in lengths)
    return next((length for length, miss in zip(lengths, missed, strict=True) if miss <= MISSED), 1)


def _bands(words: Sequence[str], length: int) -> NDArray[np.uint64]:
    from rensa import RMinHash

    bands_NB = np.zeros((len(words), PERMUTATIONS // length), dtype=np.uint64)
    for start in range(0, len(words), TEXTS_AT_ONCE):
        tokens = [sorted(_shingles(text)) for text in words[start : start + TEXTS_AT_ONCE]]
        signatures_NP = np.array(
            RMinHash.digests_from_token_sets(tokens, PERMUTATIONS, SEED), dtype=np.uint64
        )
        mixed_NB = bands_NB[start : start + TEXTS_AT_ONCE]
        for place in range(length):
            mixed_NB[:] = (mixed_NB ^ signatures_NP[:, place::length]) * MULTIPLIER
    return bands_NB
