"""What a window needs of its predictions: counts of all of them, and the full entries of random samples.

A window may hold millions of predictions, so no list of them exists: one pass counts, another one draws.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.base.records import JournalEntry
from pipeline.base.tasks import AnswerForm
from pipeline.base.tasks.items import carried_labels
from pipeline.io.journal.counting import PredictionCount
from pipeline.io.journal.reader import JournalReader

ALL = "all"  # topics together, under a name that no topic may have
OTHER = "other"  # the topics beyond the largest ones


@dataclass
class TopicCounts:
    """Count the predictions of a topic by what the answer holds, and sum up their confidence.

    `probabilities` and `squares` are the sums of each label's probability and of its square, by the number of
    the label.
    `copies` is the probability that two of the texts are copies of one.
    """

    labels: Counter[str] = field(default_factory=Counter)
    confidence: float = 0.0
    copies: float = 0.0
    probabilities: dict[int, float] = field(default_factory=dict)
    squares: dict[int, float] = field(default_factory=dict)

    def add_probability(self, label: int, total: float, squares: float) -> None:
        """Add to the sums of the label with this number."""
        self.probabilities[label] = self.probabilities.get(label, 0.0) + total
        self.squares[label] = self.squares.get(label, 0.0) + squares

    def carrying(self, form: AnswerForm, known: Sequence[str]) -> dict[str, int]:
        """Count the texts that have each of these labels, by the form of their answers."""
        carried: Counter[str] = Counter()
        for answer, count in self.labels.items():
            for label in carried_labels(form, answer):
                carried[label] += count
        return {label: carried[label] for label in known}

    @property
    def texts(self) -> int:
        """Return the number of predictions."""
        return self.labels.total()

    @property
    def independent(self) -> float:
        """Return how many texts without a copy would vary as much as these (Kish, 1965)."""
        return self.texts / (1 + self.copies * max(0, self.texts - 1))

    @property
    def mean_confidence(self) -> float:
        """Return the mean of the largest probabilities; 0 without predictions."""
        return self.confidence / max(1, self.texts)


@dataclass(frozen=True)
class WindowPredictions:
    """The predictions of one release with `start` <= time < `end`, as counts, and as samples drawn on demand.

    `topics` has `all` first, then each topic. Topics that are not `named` are one topic, OTHER.
    """

    journal: JournalReader
    start: str
    end: str
    release: str
    topics: Mapping[str, TopicCounts]
    named: Collection[str]

    def group_of(self, topic: str) -> str:
        """Return the topic that a topic counts to."""
        return topic if topic in self.named else OTHER

    def sample(self, rows: Mapping[str, NDArray[np.int64]]) -> dict[str, "array[int]"]:
        """Return the keys of chosen predictions: those at these rows of each topic or `all`.

        Rows count from 0 in the order in which the predictions came.
        """
        choices = {group: _Choice(sorted(chosen.tolist())) for group, chosen in rows.items()}
        for key, topics, _ in self.journal.keys(self.start, self.end, release=self.release):
            groups = dict.fromkeys((ALL, *map(self.group_of, topics)))
            for group in groups:
                if choice := choices.get(group):
                    choice.offer(key)
        return {group: choice.keys for group, choice in choices.items()}

    def entries(self, keys: Sequence[int]) -> list[JournalEntry]:
        """Return the predictions with these keys, in the order of time."""
        return self.journal.entries(keys)


def draw_rows(total: int, size: int, seed: int) -> NDArray[np.int64]:
    """Draw so many of `total` rows, each with the same chance."""
    # Copied, since a part of an array keeps all of it.
    return np.random.default_rng(seed).permutation(total)[:size].copy()


def count_releases(counts: Sequence[PredictionCount]) -> dict[str, int]:
    """Return the number of predictions of each release."""
    releases: Counter[str] = Counter()
    for count in counts:
        releases[count.release] += count.predictions
    return dict(releases)


def count_window(
    journal: JournalReader,
    counts: Sequence[PredictionCount],
    *,
    start: str,
    end: str,
    release: str,
    named: Collection[str],
) -> WindowPredictions:
    """Sum up the counts of a release in a window, for each of the `named` topics, the others, and all."""
    topics = {ALL: TopicCounts()}
    for count in counts:
        if count.release == release:
            # A text of several topics counts in each of them, and once in all.
            for topic in dict.fromkeys((ALL, *(one if one in named else OTHER for one in count.topics))):
                counted = topics.setdefault(topic, TopicCounts())
                counted.labels[count.label] += count.predictions
                counted.confidence += count.confidence
    sums = journal.probability_sums(start, end, release=release, named=named, other=OTHER)
    for groups, label, total, squares in sums:
        # Predictions may come between the two queries, of a topic that was not counted.
        for topic in {ALL, *groups} & topics.keys():
            topics[topic].add_probability(label, total, squares)
    return WindowPredictions(journal, start, end, release, topics, named)


class _Choice:
    """Collect the keys at some rows of a stream."""

    def __init__(self, rows: Sequence[int]) -> None:
        self.keys = array("q")
        self._rows = iter(rows)
        self._next = next(self._rows, -1)
        self._row = 0

    def offer(self, key: int) -> None:
        """Take the next key of the stream, if its row is chosen."""
        if self._row == self._next:
            self.keys.append(key)
            self._next = next(self._rows, -1)
        self._row += 1
