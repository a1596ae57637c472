"""The sealed reserve: a share of the test split that no comparison sees.

The figure of a promoted candidate is too high on the texts that promoted it. The reserve is opened once per
promotion, for the published figure alone.
"""

import hashlib
from collections.abc import Sequence


def reserved_rows(groups: Sequence[str], share: float) -> list[bool]:
    """Return which texts are reserved: whole groups, by a hash of their own, the same in every later split.

    Where that would leave no text to compare on, none is reserved.
    """
    positions = {group: _position(group) for group in set(groups)}
    reserved = [positions[group] < share for group in groups]
    return [False] * len(reserved) if all(reserved) else reserved


def _position(group: str) -> float:
    # Not the hash of the split, whose test groups all lie below `split.test`.
    digest = hashlib.sha256(f"reserve\0{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
