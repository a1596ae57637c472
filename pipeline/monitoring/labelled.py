"""Predictions whose ground truth is known from feedback."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from pipeline.base.records import JournalEntry
from pipeline.io.journal.reader import JournalReader

T = TypeVar("T")
BATCH = 1000  # predictions whose texts are in memory at a time


@dataclass(frozen=True)
class LabelledPrediction:
    """A prediction and its ground truth."""

    truth: str
    entry: JournalEntry


@dataclass(frozen=True)
class LabelPairs:
    """The ground truth and the predicted label of each labelled prediction."""

    truth: list[str] = field(default_factory=list)
    predicted: list[str] = field(default_factory=list)

    def add(self, prediction: LabelledPrediction) -> None:
        """Add a prediction; equal labels are one object, so a pair takes two pointers."""
        self.truth.append(sys.intern(prediction.truth))
        self.predicted.append(sys.intern(prediction.entry.label))


def read_labelled(
    journal: JournalReader, release: str, *, since: str, until: str
) -> Iterator[LabelledPrediction]:
    """Yield the predictions of a release with feedback from `since` up to and without `until`.

    Predictions that are no longer in the journal are left out.
    """
    for labels in batches(journal.labels(since, until)):
        entries = journal.find_all((label.request, label.position) for label in labels)
        for label in labels:
            entry = entries.get((label.request, label.position))
            if entry and entry.release == release:
                yield LabelledPrediction(label.label, entry)


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield lists of at most so many items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
