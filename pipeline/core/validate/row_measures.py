"""The measures of single texts that the expectation suite checks."""

import hashlib
import math
import re
from collections.abc import Iterable
from typing import TypeVar

from pipeline.base.records import TextRecord

T = TypeVar("T")

# Independent of the rules of `clean`, so that a mistake there is found here.
MARKUP = re.compile(
    r"</?(?:p|br|div|span|a|b|i|u|em|strong|img|ul|ol|li|td|tr|th|table|font|h[1-6]|script|style)"
    r"(?:\s[^<>]*=[^<>]*)?/?>"
    r"|&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#x[0-9a-f]{1,6});",
    re.IGNORECASE,
)


def has_residue(text: str) -> bool:
    """Return whether HTML, mojibake or a replacement character is left in a text."""
    from ftfy.badness import is_bad

    return (
        bool(("<" in text or "&" in text) and MARKUP.search(text))
        # Mojibake is never ASCII.
        or (not text.isascii() and ("\N{REPLACEMENT CHARACTER}" in text or bool(is_bad(text))))
    )


def draw(records: Iterable[TextRecord], count: int) -> dict[int, TextRecord]:
    """Return at most so many records by their rows: those whose ids have the smallest hashes.

    They are the same whatever the order. Of more records than twice as many none is held.
    """
    return draw_by_key(((record.id, record) for record in records), count)


def draw_by_key(items: Iterable[tuple[str, T]], count: int) -> dict[int, T]:
    """Return at most so many items by their rows, as `draw` does; each item comes with its key."""
    drawn: list[tuple[int, int, T]] = []
    limit, largest = 2 * count + 1, 1 << 64
    for row, (key, item) in enumerate(items):
        place = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
        if place < largest:
            drawn.append((place, row, item))
            if len(drawn) >= limit:
                drawn = sorted(drawn, key=lambda one: one[:2])[:count]
                largest = drawn[-1][0] if drawn else 0
    drawn = sorted(drawn, key=lambda one: one[:2])[:count]
    return {row: item for _, row, item in sorted(drawn, key=lambda one: one[1])}


def share_interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that was found in `count` texts (Wilson, 1927)."""
    return wilson_interval(share, count, z=1.959964)


def wilson_interval(share: float, count: int, *, z: float) -> tuple[float, float]:
    """Return the score interval of a share that was found in `count` texts, `z` deviations wide."""
    center = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, center - half), min(1.0, center + half)
