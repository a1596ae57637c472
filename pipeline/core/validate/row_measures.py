"""The measures of single texts that the expectation suite checks."""

import hashlib
import math
import re
from collections.abc import Sequence

import numpy as np

from pipeline.base.config import ValidateConfig
from pipeline.base.records import TextRecord
from pipeline.core.clean.language import UNDETERMINED, detect_language

# Independent of the rules of `clean`, so that a mistake there is found here.
MARKUP = re.compile(
    r"</?(?:p|br|div|span|a|b|i|u|em|strong|img|ul|ol|li|td|tr|th|table|font|h[1-6]|script|style)"
    r"(?:\s[^<>]*=[^<>]*)?/?>"
    r"|&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#x[0-9a-f]{1,6});",
    re.IGNORECASE,
)


def residues(records: Sequence[TextRecord]) -> list[bool]:
    """Return for each text whether HTML, mojibake or a replacement character is left in it."""
    from ftfy.badness import is_bad

    return [
        bool(("<" in text or "&" in text) and MARKUP.search(text))
        # Mojibake is never ASCII.
        or (not text.isascii() and ("\N{REPLACEMENT CHARACTER}" in text or bool(is_bad(text))))
        for text in (record.text for record in records)
    ]


def in_language(records: Sequence[TextRecord], cfg: ValidateConfig) -> list[float | None]:
    """Return for each text 1.0 if it is in `cfg.language`, else 0.0; None where that was not determined.

    It is determined for `cfg.sample_texts` texts at most, drawn by the hash of their ids.
    """
    drawn = draw([record.id for record in records], cfg.sample_texts)
    found: list[float | None] = [None] * len(records)
    for row in drawn:
        language = detect_language(records[row].text, min_words=cfg.language_min_words)
        found[row] = None if language == UNDETERMINED else float(language == cfg.language)
    return found


def draw(ids: Sequence[str], count: int) -> list[int]:
    """Return the rows of `count` ids at most: those with the smallest hashes, the same whatever the order."""
    if len(ids) <= count:
        return list(range(len(ids)))
    hashes_N = np.fromiter(
        (int.from_bytes(hashlib.blake2b(one.encode(), digest_size=8).digest(), "big") for one in ids),
        dtype=np.uint64,
        count=len(ids),
    )
    return sorted(np.argsort(hashes_N, kind="stable")[:count].tolist())


def share_interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that was found in `count` texts (Wilson, 1927)."""
    return wilson_interval(share, count, z=1.959964)


def wilson_interval(share: float, count: int, *, z: float) -> tuple[float, float]:
    """Return the score interval of a share that was found in `count` texts, `z` deviations wide."""
    center = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, center - half), min(1.0, center + half)
