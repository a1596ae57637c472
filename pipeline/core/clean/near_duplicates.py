"""Near duplicates: texts that share most of their words, such as retweets and syndicated articles.

MinHash (Broder, 1997) with banding finds the pairs that may be near duplicates, and their Jaccard similarity
decides. Legend: N texts, M distinct ones, B bands, K pairs of texts.
"""

import functools
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import regex
from numpy.typing import NDArray

from pipeline.core.clean.growing import GrowingArray
from pipeline.core.clean.signatures import bands_of, shingles, sign_bands
from pipeline.core.clean.text_keys import Keys, first_rows, keys_of_bytes

TEXTS_AT_ONCE = 4_096
# Of the texts in one bucket so many are compared with each further one: a bucket of templates stays linear.
REPRESENTATIVES = 20
CACHED_TEXTS = 4_000
# What a copy adds: a mark of forwarding, a mention, an address.
WORD = regex.compile(r"(?:https?://|www\.)\S+|@\w+|\brt\b|(?P<word>\w+)")
ASCII_WORD = re.compile(r"\w+", re.ASCII)


def plain_words(text: str) -> str:
    """Return the words of a text in lower case, without punctuation, mentions, addresses and "RT".

    A text without words, such as one of emoji alone, is returned as it is.
    """
    folded = text.casefold()
    if folded.isascii() and not any(mark in folded for mark in ("://", "www.", "@", "rt")):
        words: Iterable[str] = ASCII_WORD.findall(folded)  # several times as fast
    else:
        words = filter(None, WORD.findall(folded))
    return " ".join(words) or folded


def near_duplicate_clusters(texts: Sequence[str], *, similarity: float) -> list[int]:
    """Return for each text the first row of its cluster: texts joined by pairs of at least this similarity.

    The similarity of two texts is the Jaccard index of their runs of `SHINGLE` characters, after
    `plain_words`.
    """
    search = NearDuplicateSearch(similarity, MemoryStore())
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        search.add(sign_texts(similarity, texts[start : start + TEXTS_AT_ONCE]))
    return [int(row) for row in search.clusters()]


@dataclass(frozen=True)
class SignedTexts:
    """Hold the plain words of texts, their keys, and the hashes of the bands of their signatures.

    `content` holds the words of one text behind those of the other in UTF-8, `ends` where each text ends.
    """

    content: bytes
    ends: NDArray[np.int64]
    keys: Keys
    bands: NDArray[np.uint64]


class Store(Protocol):
    """Hold what is too large for memory: numbers by band, and words by row."""

    def append(self, signed: SignedTexts) -> None:
        """Append texts."""

    def band(self, number: int) -> NDArray[np.uint64]:
        """Return the hashes of one band of all texts."""

    def text(self, row: int) -> str:
        """Return the plain words of a text."""


class MemoryStore:
    """Hold bands and words in memory, for a few texts."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._bands: list[NDArray[np.uint64]] = []

    def append(self, signed: SignedTexts) -> None:
        """Append texts."""
        starts = np.append(0, signed.ends)[:-1]
        self._words += [
            signed.content[start:end].decode("utf-8", "surrogatepass")
            for start, end in zip(starts.tolist(), signed.ends.tolist(), strict=True)
        ]
        self._bands.append(signed.bands)

    def band(self, number: int) -> NDArray[np.uint64]:
        """Return the hashes of one band of all texts."""
        return np.concatenate([bands[:, number] for bands in self._bands])

    def text(self, row: int) -> str:
        """Return the plain words of a text."""
        return self._words[row]


def sign_texts(similarity: float, texts: Sequence[str]) -> SignedTexts:
    """Return what the search needs of texts; it can be called in another process."""
    words = [plain_words(text) for text in texts]
    contents = [one.encode("utf-8", "surrogatepass") for one in words]
    ends_N = np.cumsum(np.fromiter(map(len, contents), np.int64, len(contents)))
    bands_NB = sign_bands(words, similarity) if similarity < 1 else np.zeros((len(words), 0), np.uint64)
    return SignedTexts(b"".join(contents), ends_N, keys_of_bytes(contents), bands_NB)


class NearDuplicateSearch:
    """Join texts that come in batches into clusters; the store holds their words and signatures."""

    def __init__(self, similarity: float, store: Store) -> None:
        self._similarity, self._store = similarity, store
        self._keys = GrowingArray(np.uint64, 2)

    def add(self, signed: SignedTexts) -> None:
        """Add texts."""
        self._keys.extend(signed.keys)
        if self._similarity < 1:
            self._store.append(signed)

    def clusters(self) -> NDArray[np.int32]:
        """Return for each text the first row of its cluster."""
        firsts_N = first_rows(self._keys.array())
        self._keys = GrowingArray(np.uint64, 2)
        if self._similarity == 1 or not len(firsts_N):
            return firsts_N
        distinct_M = np.flatnonzero(firsts_N == np.arange(len(firsts_N)))
        clusters = Clusters(len(firsts_N))
        runs = functools.lru_cache(CACHED_TEXTS)(lambda row: frozenset(shingles(self._store.text(row))))
        for number in range(bands_of(self._similarity)):
            for pairs_K2 in _candidates(self._store.band(number), distinct_M):
                roots_N = clusters.roots()
                apart_K = roots_N[pairs_K2[:, 0]] != roots_N[pairs_K2[:, 1]]
                for one, other in pairs_K2[apart_K].tolist():
                    if not clusters.joined(one, other):
                        mine, theirs = runs(one), runs(other)
                        if len(mine & theirs) >= self._similarity * len(mine | theirs):
                            clusters.join(one, other)
        joined_N: NDArray[np.int32] = clusters.roots()[firsts_N]
        return joined_N


def _candidates(hashes_N: NDArray[np.uint64], distinct_M: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield pairs of rows that are equal in a band of their signatures, some at a time.

    Each text is paired with the first ones of its bucket.
    """
    hashes_M = hashes_N[distinct_M]
    order_M = np.argsort(hashes_M, kind="stable")
    sorted_M = hashes_M[order_M]
    is_first_M = np.append(True, sorted_M[1:] != sorted_M[:-1])
    starts_M = np.maximum.accumulate(np.where(is_first_M, np.arange(len(sorted_M)), 0))
    for nth in range(REPRESENTATIVES):
        later_K = np.flatnonzero(np.arange(len(sorted_M)) - starts_M > nth)
        if not len(later_K):
            return
        earlier_K = starts_M[later_K] + nth
        yield np.stack([distinct_M[order_M[earlier_K]], distinct_M[order_M[later_K]]], axis=1)


class Clusters:
    """Join numbers into clusters; the smallest number of a cluster names it (union-find, Tarjan, 1975)."""

    def __init__(self, count: int) -> None:
        self._parents = array("i", range(count))

    def root(self, number: int) -> int:
        """Return the smallest number of the cluster."""
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def joined(self, one: int, other: int) -> bool:
        """Return whether two numbers are in one cluster."""
        return self.root(one) == self.root(other)

    def join(self, one: int, other: int) -> None:
        """Make one cluster of two."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parents[high] = low

    def roots(self) -> NDArray[np.int32]:
        """Return the root of each number."""
        roots_N = np.array(self._parents, dtype=np.int32)
        while not np.array_equal(above_N := roots_N[roots_N], roots_N):
            roots_N = above_N
        return roots_N
