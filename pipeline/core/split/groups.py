"""The place of a group: the hash of salt and group, whatever the others are."""

import hashlib
from collections.abc import Sequence

from pipeline.base.config import SplitConfig
from pipeline.base.records import SplitName


def assign_split(group: str, cfg: SplitConfig) -> SplitName:
    """Assign a group to a split by the hash of salt and group, independently of other groups."""
    position = hash_position(group, cfg)
    if position < cfg.test:
        return "test"
    return "valid" if position < cfg.test + cfg.valid else "train"


def halve_by_group(groups: Sequence[str]) -> tuple[list[int], list[int]]:
    """Divide texts, given by their groups, into two halves; returns the rows of each.

    Groups stay whole and are taken in the order of their hash until half of the texts are reached. With a
    single group both halves hold every text.
    """
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    if len(rows) < 2:
        return list(range(len(groups))), list(range(len(groups)))
    # Without the last one, so that the second half is not empty.
    *order, _ = sorted(rows, key=lambda group: hashlib.sha256(f"half\0{group}".encode()).digest())
    first: list[int] = []
    for place, group in enumerate(order):
        if place and 2 * len(first) >= len(groups):
            break
        first += rows[group]
    return sorted(first), sorted(set(range(len(groups))).difference(first))


def hash_position(group: str, cfg: SplitConfig) -> float:
    """Return the place of a group in [0, 1): test is at the beginning, train at the end."""
    digest = hashlib.sha256(f"{cfg.salt}\0{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
