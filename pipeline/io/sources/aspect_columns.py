"""The column that distinguishes the rows of one text: a table of aspects has a label for each of them."""

import re
from collections import Counter
from collections.abc import Mapping

from pipeline.base.config import Columns
from pipeline.base.records import TextRecord

# So many texts are remembered; a table of aspects repeats its first ones too.
TEXTS = 20_000
MIN_PAIRS = 3
# A number of the row, or a time, differs everywhere; an aspect is named by several rows.
MAX_DISTINCT_SHARE = 0.5
# Copies that two people labelled are few; most sentences of a table of aspects have several.
MIN_PAIRS_SHARE = 0.05
# Of the pairs of rows with one text and two labels, how many differ in the column.
MIN_SHARE = 0.95
NUMBER = re.compile(r"[+-]?\d*[.,]?\d+(?:e[+-]?\d+)?", re.IGNORECASE)


class AspectSearch:
    """Find the column, mapped to nothing, that differs wherever one text has two labels."""

    def __init__(self, columns: Columns) -> None:
        mapped = columns.model_dump(exclude_none=True)
        labels = mapped.pop("labels", None) or ()
        self._mapped = {*mapped.values(), *labels}
        self._first: dict[str, tuple[str, dict[str, str]]] = {}
        self._values: dict[str, Counter[str]] = {}
        self._pairs = self._rows = 0
        self._differing: Counter[str] = Counter()

    def add(self, row: Mapping[str, str], record: TextRecord) -> None:
        """Compare a row with the first one of its text."""
        if (
            not record.text
            or not record.label
            or (len(self._first) >= TEXTS and record.text not in self._first)
        ):
            return
        others = {name: value for name, value in row.items() if name not in self._mapped}
        self._rows += 1
        for name, value in others.items():
            self._values.setdefault(name, Counter())[value] += 1
        label, first = self._first.setdefault(record.text, (record.label, others))
        if label != record.label:
            self._pairs += 1
            self._differing.update(name for name, value in others.items() if first.get(name) != value)

    def column(self) -> str:
        """Return the name of the column, empty where none distinguishes the rows."""
        if self._pairs < max(MIN_PAIRS, MIN_PAIRS_SHARE * self._rows):
            return ""
        found = [
            name
            for name, number in self._differing.items()
            if number >= MIN_SHARE * self._pairs
            and len(self._values[name]) <= MAX_DISTINCT_SHARE * self._rows
            and not _are_numbers(self._values[name])
        ]
        return min(found, key=lambda name: len(self._values[name]), default="")


def _are_numbers(values: Counter[str]) -> bool:
    """Return whether a column measures: an aspect has a name."""
    return all(not value or NUMBER.fullmatch(value.strip()) for value in values)
