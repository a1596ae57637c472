"""Counting predictions in SQL: whatever number of topics clients name, few rows leave the database."""

import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

WITHIN = "WHERE time >= ? AND time < ?"
TOPIC_TOTALS = f"SELECT topic, count(*) FROM predictions {WITHIN} GROUP BY topic"
COUNTS = f"""
SELECT release, iif(? OR topic IN (SELECT value FROM json_each(?)), topic, ?) AS topic_group, label,
    count(*), sum(text <> ''), total(confidence)
FROM predictions {WITHIN} GROUP BY release, topic_group, label ORDER BY min(id)
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


@dataclass
class PredictionCount:
    """Count the predictions of one release, topic and label.

    `readable` counts those whose text is stored, `confidence` is the sum of the largest probabilities.
    """

    release: str
    topic: str
    label: str
    predictions: int = 0
    readable: int = 0
    confidence: float = 0.0


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


def sum_counts(rows: Iterable[tuple[str, str, str, int, int, float]]) -> list[PredictionCount]:
    """Sum up the rows of COUNTS from several databases, in the order in which they first came."""
    counts: dict[tuple[str, str, str], PredictionCount] = {}
    for release, topic, label, predictions, readable, confidence in rows:
        group = (release, topic, label)
        count = counts.setdefault(group, PredictionCount(*group))
        count.predictions += predictions
        count.readable += readable
        count.confidence += confidence
    return list(counts.values())
