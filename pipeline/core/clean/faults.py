"""Why a text cannot be used: a reason, by which the quarantine counts it, or None."""

from collections.abc import Collection

from pipeline.base.config import CleanConfig
from pipeline.base.records import TextRecord
from pipeline.core.clean.words import count_words


def find_fault(record: TextRecord, cfg: CleanConfig, labels: Collection[str]) -> str | None:
    """Return why a cleaned text cannot be used, None when it can."""
    if not record.text:
        return "no text"
    if not record.label:
        return "no label"
    if record.label not in labels:
        return "unknown label"
    words = count_words(record.text)
    if words < cfg.min_words:
        return "too short"
    if words > cfg.max_words:
        return "too long"
    return None
