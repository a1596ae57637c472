"""Counting predictions in SQL: whatever number of topics clients name, few rows leave the database."""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from pipeline.io.journal.tables import WITHIN

# Parameters: start, end, whether every topic is named, the named ones as JSON, and the name of the others.
GROUP = "iif(?3 OR topic IN (SELECT value FROM json_each(?4)), topic, ?5) AS topic_group, more_topics"
TOPIC_TOTALS = f"SELECT topic, more_topics, count(*) FROM predictions {WITHIN} GROUP BY topic, more_topics"
COUNTS = f"""
SELECT release, {GROUP}, label, count(*), sum(text <> ''), total(confidence)
FROM predictions {WITHIN} GROUP BY release, topic_group, more_topics, label ORDER BY min(id)
"""
PROBABILITY_SUMS = f"""
SELECT {GROUP}, one.key, total(one.value), total(one.value * one.value)
FROM predictions, json_each(probabilities) AS one
{WITHIN} AND release = ?6 GROUP BY topic_group, more_topics, one.key
"""
TOTALS_SCHEMA = "CREATE TABLE totals (topic TEXT PRIMARY KEY, predictions INTEGER NOT NULL) WITHOUT ROWID"
ADD_TOTAL = """
INSERT INTO totals VALUES (?, ?)
ON CONFLICT (topic) DO UPDATE SET predictions = predictions + excluded.predictions
"""
LARGEST = """
SELECT topic FROM totals
ORDER BY topic NOT IN (SELECT value FROM json_each(?)), predictions DESC, topic LIMIT ?
"""

Content = Callable[[str, str], str]  # of a release and one of its answers


@dataclass
class PredictionCount:
    """Count the predictions of one release, topic and answer: `label` is what the answer holds.

    `readable` counts those whose text is stored, `confidence` is the sum of the largest probabilities. Texts
    of several topics have the others in `more_topics`.
    """

    release: str
    topic: str
    label: str
    predictions: int = 0
    readable: int = 0
    confidence: float = 0.0
    more_topics: tuple[str, ...] = ()

    @property
    def topics(self) -> tuple[str, ...]:
        """Return all topics of these predictions."""
        return (self.topic, *self.more_topics)


@dataclass(frozen=True)
class TopicChoice:
    """The topics that are reported by name, and how many others there are."""

    named: frozenset[str]
    others: int


def choose_topics(totals: Iterable[tuple[str, int]], *, known: Collection[str], most: int) -> TopicChoice:
    """Choose at most so many topics: the known ones first, then the largest.

    `totals` holds topics and numbers of predictions, a topic once or several times.
    """
    # A database without a name is a temporary file, of which little is in memory.
    with contextlib.closing(sqlite3.connect("")) as database:
        database.execute(TOTALS_SCHEMA)
        database.executemany(ADD_TOTAL, totals)
        named = [row[0] for row in database.execute(LARGEST, (json.dumps(sorted(known)), most))]
        topics = database.execute("SELECT count(*) FROM totals").fetchone()[0]
    return TopicChoice(frozenset(named), topics - len(named))


def sum_counts(
    rows: Iterable[tuple[str, str, str, str, int, int, float]],
    named: Collection[str] | None,
    other: str,
    content: Content | None = None,
) -> list[PredictionCount]:
    """Sum up the rows of COUNTS from several databases, in the order in which they first came.

    `content` returns what an answer of a release is counted as, by default itself: every text has entities
    at places of its own.
    """
    counts: dict[tuple[str, tuple[str, ...], str], PredictionCount] = {}
    for release, topic, more, answer, predictions, readable, confidence in rows:
        label = content(release, answer) if content else answer
        topics = group_topics((topic, *more.split()), named, other)
        group = (release, topics, label)
        if (count := counts.get(group)) is None:
            count = counts[group] = PredictionCount(release, topics[0], label, more_topics=topics[1:])
        count.predictions += predictions
        count.readable += readable
        count.confidence += confidence
    return list(counts.values())


def group_topics(topics: Iterable[str], named: Collection[str] | None, other: str) -> tuple[str, ...]:
    """Return what topics count to, each once: themselves where they are named, else `other`."""
    return tuple(dict.fromkeys(one if named is None or one in named else other for one in topics))
