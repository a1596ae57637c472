"""Why a text cannot be used. None means that it can; the string is the statistic, the quarantine's reason and the test."""

from collections.abc import Collection

from pipeline.base.config import CleanConfig
from pipeline.base.records import TextRecord

# An unbroken piece counts once for each so many characters: Chinese has no spaces, and a megabyte without one is no word.
LONGEST_WORD = 40


def count_words(text: str) -> int:
    """Count the words of a text, a long unbroken piece as several."""
    return sum(1 + (len(piece) - 1) // LONGEST_WORD for piece in text.split())


def find_fault(record: TextRecord, cfg: CleanConfig, labels: Collection[str]) -> str | None:
    """Name what is wrong with a cleaned text, or None."""
    if not record.text:
        return "no text"
    if not record.label:
        return "no label"
    if record.label not in labels:
        return "unknown label"
    number = count_words(record.text)
    if number < cfg.min_words:
        return "too short"
    if number > cfg.max_words:
        return "too long"
    return None
