"""Duplicate texts: one is kept when their labels agree, none when they conflict."""

from collections import defaultdict
from collections.abc import Sequence

from pipeline.base.data_account import CONFLICT, DUPLICATE
from pipeline.base.records import TextRecord
from pipeline.base.split_names import split_name


def duplicate_key(text: str) -> str:
    """Return the key of equal cleaned texts; it ignores case, as an uncased encoder does."""
    return text.casefold()


def find_duplicates(records: Sequence[TextRecord]) -> list[str | None]:
    """Return for each record why it is to be removed, or None.

    Of copies with the same label the first is kept, but one of a source's own test split before all others: a
    benchmark keeps its test texts, and the copy that would have leaked into training is removed.
    """
    copies_by_key: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        copies_by_key[duplicate_key(record.text)].append(index)
    reasons: list[str | None] = [None] * len(records)
    for copies in copies_by_key.values():
        if len({records[index].label for index in copies}) > 1:
            removed, reason = copies, CONFLICT
        else:
            kept = min(copies, key=lambda index: (split_name(records[index].split) != "test", index))
            removed, reason = [index for index in copies if index != kept], DUPLICATE
        for index in removed:
            reasons[index] = reason
    return reasons
