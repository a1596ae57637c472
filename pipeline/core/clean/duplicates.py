"""Texts that are there more than once: one stays when they agree on the label, none when they do not."""

from collections import defaultdict
from collections.abc import Sequence

from pipeline.base.records import TextRecord

DUPLICATE = "duplicate"
CONFLICT = "conflicting labels"


def duplicate_key(text: str) -> str:
    """Give the key under which two cleaned texts count as one: case aside, since an uncased encoder reads them alike."""
    return text.casefold()


def find_duplicates(records: Sequence[TextRecord]) -> list[str | None]:
    """Give each record's reason to go, in their order, or None.

    Of copies that agree the first stays, but one of a source's own test split before all others: a benchmark
    keeps its test texts, and what goes is the copy that would have leaked into training.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        places[duplicate_key(record.text)].append(place)
    reasons: list[str | None] = [None] * len(records)
    for copies in places.values():
        if len({records[place].label for place in copies}) > 1:
            gone, reason = copies, CONFLICT
        else:
            stays = min(copies, key=lambda place: (records[place].split.casefold() != "test", place))
            gone, reason = [place for place in copies if place != stays], DUPLICATE
        for place in gone:
            reasons[place] = reason
    return reasons
