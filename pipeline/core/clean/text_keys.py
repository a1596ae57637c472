"""Keys of 128 bits for texts, and the rows that share one: 16 bytes a text, however long it is."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 16
# A key as two numbers: N texts, 2 numbers each.
Keys = NDArray[np.uint64]


def keys_of(texts: Iterable[str]) -> Keys:
    """Return the keys of texts (BLAKE2b): equal ones are equal texts."""
    return keys_of_bytes(text.encode("utf-8", "surrogatepass") for text in texts)


def keys_of_bytes(contents: Iterable[bytes]) -> Keys:
    """Return the keys of texts that are encoded as UTF-8."""
    blake2b = hashlib.blake2b
    digests = b"".join([blake2b(content, digest_size=KEY_BYTES).digest() for content in contents])
    return np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2)


def first_rows(keys_N2: Keys) -> NDArray[np.int32]:
    """Return for each row the first one with its key."""
    order_N, starts_N = _sorted(keys_N2)
    first_N = np.empty(len(keys_N2), dtype=np.int32)
    # The order is stable, so the first of a run is its smallest row.
    leaders_N = np.flatnonzero(starts_N)
    sizes = np.diff(np.append(leaders_N, len(order_N)))
    first_N[order_N] = np.repeat(order_N[leaders_N], sizes)
    return first_N


def rows_sharing_a_key(keys_N2: Keys) -> Iterator[list[int]]:
    """Yield the rows of each key that several have, ascending."""
    order_N, starts_N = _sorted(keys_N2)
    leaders = np.append(np.flatnonzero(starts_N), len(order_N))
    sizes = np.diff(leaders)
    for place in np.flatnonzero(sizes > 1):
        yield order_N[leaders[place] : leaders[place + 1]].tolist()


def _sorted(keys_N2: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the rows in the order of their keys, and whether each of them is the first of its key."""
    order_N = np.argsort(keys_N2[:, 0], kind="stable")
    starts_N = np.ones(len(order_N), dtype=bool)
    one_N = keys_N2[order_N, 0]
    same_N = one_N[1:] == one_N[:-1]
    other_N = keys_N2[order_N, 1]
    if (same_N & (other_N[1:] != other_N[:-1])).any():
        # Half of a key is the same for different texts, once in some million tables.
        order_N = np.lexsort((keys_N2[:, 1], keys_N2[:, 0]))
        one_N, other_N = keys_N2[order_N, 0], keys_N2[order_N, 1]
        same_N = (one_N[1:] == one_N[:-1]) & (other_N[1:] == other_N[:-1])
    starts_N[1:] = ~same_N
    return order_N, starts_N
